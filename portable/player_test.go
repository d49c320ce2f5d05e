package portable_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.nanomsg.org/mangos/v3"
)

// roleFile is beside the program of a bundle and says what it plays.
const roleFile = "role.json"

// role is what a plugin of the tests is.
type role struct {
	Name string
	// SDK is "go" and "python" for eKuiper's, "socket" and "ring" for the fast
	// lane, "mute" for a program that says nothing.
	SDK       string
	Functions []string
	Sources   []string
	Sinks     []string
	Aggregate []string
	// Retry is how often a REQ socket that waits sends its message again, 0 for
	// never: eKuiper's first generation.
	Retry time.Duration
	// Keep is after which silence a REQ socket says handshake again: the third
	// generation.
	Keep time.Duration
	// First happens before anything else: "say", "exit" with an argument, "hang",
	// "once": an exit at each start but the first.
	First []string
	// Hostile is what the lane sends in place of, or after, its hello.
	Hostile string
	Bytes   []byte
	// Limit is the longest message that the sockets take, as Go's SDK has it; 0 is
	// none.
	Limit int

	dir string
}

func readRole(dir string) (r role, err error) {
	b, err := os.ReadFile(filepath.Join(dir, roleFile))
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	r.dir = dir
	return r, err
}

// player is the process of a plugin.
type player struct {
	role
	token float64 // tells processes apart
	pipe  atomic.Pointer[mangos.Pipe]

	mu      sync.Mutex
	nodes   map[string]*playerNode
	running map[string]int // functions, and how often they were started
	last    map[string]any
}

func play(r role) {
	p := &player{role: r, token: float64(rand.Int64N(1 << 40)), nodes: map[string]*playerNode{}, running: map[string]int{}, last: map[string]any{}}
	note(r.dir, "starts", strconv.FormatInt(time.Now().UnixNano(), 10))
	for _, f := range r.First {
		p.first(f)
	}
	sig := make(chan os.Signal, 1)
	signal.Notify(sig, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-sig
		os.Exit(0)
	}()
	switch r.SDK {
	case "go", "python":
		p.control()
	case "socket", "ring":
		p.lane()
	case "rude":
		p.rude()
	case "pong":
		p.pong()
	default:
		select {}
	}
}

// rude is a plugin that says to the control socket what is not SP.
func (p *player) rude() {
	c, err := net.Dial("unix", "/tmp/plugin_"+p.Name+".ipc")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_, _ = c.Write(p.Bytes)
	_, _ = io.Copy(io.Discard, c)
	select {}
}

func (p *player) first(what string) {
	word, arg, _ := strings.Cut(what, " ")
	switch word {
	case "say":
		fmt.Println(arg)
	case "exit":
		code, _ := strconv.Atoi(arg)
		os.Exit(code)
	case "sick": // it ends while the file is there
		if _, err := os.Stat(filepath.Join(p.dir, "sick")); err == nil {
			fmt.Println("sick of it")
			os.Exit(7)
		}
	case "hang":
		select {}
	}
}

// note appends a line to a file of the bundle, in one piece.
func note(dir, file, line string) {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		fmt.Println(err)
		os.Exit(9)
	}
	defer f.Close()
	_, _ = f.WriteString(line + "\n")
}

// notes reads what note wrote.
func notes(dir, file string) []string {
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// verdict is what the code of a function says.
type verdict struct {
	state  bool
	result any
	raw    []byte // in place of all
	quit   bool   // the loop of the function ends
	redial bool   // its connection does, soon
}

func value(v any) verdict  { return verdict{state: true, result: v} }
func refuse(v any) verdict { return verdict{result: v} }
func base(s string) string { b, _, _ := strings.Cut(s, "_"); return b }
func num(v any) float64    { f, _ := v.(float64); i, _ := v.(int64); return f + float64(i) }
func word(v any) string    { s, _ := v.(string); return s }
func first(args []any) any { return at(args, 0) }
func at(a []any, i int) any {
	if i < len(a) {
		return a[i]
	}
	return nil
}

// exec is the code of the functions. What follows _ in a name tells functions of
// one code apart.
func (p *player) exec(name string, args []any, context string) verdict {
	switch base(name) {
	case "echo":
		return value(first(args))
	case "fail":
		return refuse("boom")
	case "none":
		return refuse(nil)
	case "errval": // how an error value looks when Go's SDK has marshalled it
		return refuse(map[string]any{})
	case "spin":
		select {}
	case "sleep":
		time.Sleep(time.Duration(num(first(args))) * time.Millisecond)
		return value(first(args))
	case "zero":
		return value("zero")
	case "context":
		return value(context)
	case "count":
		list, _ := first(args).([]any)
		return value(float64(len(list)))
	case "redial": // its connection breaks when the answer is out
		return verdict{state: true, result: true, redial: true}
	case "die":
		os.Exit(int(num(first(args))))
	case "quit":
		return verdict{quit: true}
	case "token":
		return value(p.token)
	case "print":
		fmt.Println(word(first(args)))
		return value(true)
	case "garbage":
		return verdict{raw: []byte(word(first(args)))}
	case "stale": // broken: the answer of the call before
		p.mu.Lock()
		defer p.mu.Unlock()
		old := p.last[name]
		p.last[name] = first(args)
		return value(old)
	case "started":
		p.mu.Lock()
		defer p.mu.Unlock()
		return value(float64(p.running[word(first(args))]))
	case "family":
		return value(family(word(first(args))))
	}
	return refuse("unknown function " + name)
}

// validate is the code of the functions' Validate; "" is yes.
func (p *player) validate(name string, args []any) string {
	n := len(args)
	switch base(name) {
	case "zero":
		if n != 0 {
			return "zero wants no arguments"
		}
	case "echo":
		if n > 1 {
			return fmt.Sprintf("echo wants one argument, not %d", n)
		}
	case "hard":
		return "have mercy" // begins as handshake does
	}
	return ""
}

// family starts descendants of every kind, which sleep for so many seconds.
func family(seconds string) bool {
	brood := strings.ReplaceAll(`sleep N & setsid sleep N & (setsid sleep N &) ; sleep 0.05`, "N", seconds)
	attr := &os.ProcAttr{Env: os.Environ(), Files: []*os.File{nil, nil, nil}}
	proc, err := os.StartProcess("/bin/sh", []string{"sh", "-c", brood}, attr)
	if err == nil {
		_, err = proc.Wait()
	}
	return err == nil
}
