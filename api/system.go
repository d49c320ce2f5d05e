package api

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// root answers with eKuiper's keys. Memory is in bytes, as a string; the
// content type is what eKuiper's answer is taken for.
func root(s *Server, r *request) error {
	dst := append(r.out[:0], '{')
	dst = appendField(dst, "version", s.opts.Version)
	dst = appendField(dst, "os", runtime.GOOS)
	dst = appendField(dst, "arch", runtime.GOARCH)
	dst = appendKey(dst, "upTimeSeconds")
	dst = strconv.AppendInt(dst, int64(time.Since(s.start)/time.Second), 10)
	if used := memoryUsed(); used > 0 {
		dst = appendField(dst, "memoryUsed", strconv.FormatInt(used, 10))
	}
	dst = appendField(dst, "memoryTotal", strconv.FormatInt(memoryTotal(), 10))
	r.out = append(dst, '}')
	r.write(fasthttp.StatusOK, contentText, r.out)
	return nil
}

// memoryUsed is the resident memory of this process; 0 where it is not known.
func memoryUsed() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), " ")
	pages, _, _ := strings.Cut(rest, " ")
	n, _ := strconv.ParseInt(pages, 10, 64)
	return n * int64(os.Getpagesize())
}

// memoryTotal is the memory of the machine; 0 where it is not known.
func memoryTotal() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

func ping(_ *Server, r *request) error {
	r.ctx.Response.SetStatusCode(fasthttp.StatusOK)
	return nil
}

func stop(s *Server, r *request) error {
	s.stop(0)
	return r.text(fasthttp.StatusOK, "stop success")
}
