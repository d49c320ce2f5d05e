package api

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// root answers with eKuiper's keys. Memory is in bytes, as a string, and the
// processor's share is that since the server was made; the content type is what
// eKuiper's answer is taken for.
func root(s *Server, r *request) error {
	dst := append(r.out[:0], '{')
	dst = appendField(dst, "version", s.opts.Version)
	dst = appendField(dst, "os", runtime.GOOS)
	dst = appendField(dst, "arch", runtime.GOARCH)
	dst = appendKey(dst, "upTimeSeconds")
	up := time.Since(s.start)
	dst = strconv.AppendInt(dst, int64(up/time.Second), 10)
	if used, ok := cpuTime(); ok {
		dst = appendField(dst, "cpuUsage", cpuShare(used-s.cpu, up))
	}
	if used := memoryUsed(); used > 0 {
		dst = appendField(dst, "memoryUsed", strconv.FormatInt(used, 10))
	}
	dst = appendField(dst, "memoryTotal", strconv.FormatInt(memoryTotal(), 10))
	r.out = append(dst, '}')
	r.write(fasthttp.StatusOK, contentText, r.out)
	return nil
}

// cpuTime is the processor time of this process; false where it is not known.
func cpuTime() (time.Duration, bool) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}

// cpuShare is processor time over time as eKuiper writes it: of one core, so that
// two that are busy are 200.00%.
func cpuShare(used, up time.Duration) string {
	if up <= 0 {
		return "0.00%"
	}
	return strconv.FormatFloat(100*float64(used)/float64(up), 'f', 2, 64) + "%"
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
