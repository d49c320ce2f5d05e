package api_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/api"
)

// A plugin that ends the goroutine of its call takes no client, connection or
// place along.
func TestCallEndsItsGoroutine(t *testing.T) {
	k := newKit(t, api.Options{MaxConns: 4, MaxCalls: 4})
	k.install("kit", "vanish", "echo")
	k.installLaned()
	const body = "Content-Length: 11\r\n\r\n{\"args\":[]}"
	const vanish = "POST /functions/vanish/call HTTP/1.1\r\nHost: x\r\n" + body
	for range 12 { // more than there are places
		w := k.dial().send(vanish)
		w.reply().want(t, 500, js, ours(6000, "the plugin ended the goroutine of the call"))
		w.gone()
	}
	t.Run("later request of a connection", func(t *testing.T) {
		w := k.dial().send("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
		w.reply().want(t, 200, "", "")
		w.send(vanish).gone()
	})
	t.Run("requests sent ahead", func(t *testing.T) {
		// An answer that has not left yet is not mixed up with one that never comes.
		w := k.dial().send("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n" + vanish)
		w.gone()
	})
	t.Run("batch", func(t *testing.T) {
		for range 6 {
			w := k.dial().send("POST /functions/vanish/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n[[]]")
			w.reply().want(t, 500, js, ours(6000, "the plugin ended the goroutine of the call"))
			w.gone()
		}
	})
	t.Run("batch whose answer has begun", func(t *testing.T) {
		for range 6 {
			w := k.dial().send("POST /functions/fvanish/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n[[false],[true]]")
			resp, err := http.ReadResponse(w.r, nil)
			if err == nil {
				_, err = io.ReadAll(resp.Body)
			}
			if err == nil || strings.Contains(err.Error(), "timeout") {
				t.Errorf("found %v, expected an end that is too early", err)
			}
		}
	})
	k.do("POST", "/functions/echo/call", `{"args":[1]}`).want(t, 200, js, `{"result":1}`)
	start := time.Now()
	if err := k.srv.Close(t.Context()); err != nil || time.Since(start) > 3*time.Second {
		t.Errorf("Close: %v after %v", err, time.Since(start))
	}
}

func TestCallEndsItsGoroutineUnderTLS(t *testing.T) {
	cert, key, pool := certificate(t)
	k := newKit(t, api.Options{CertFile: cert, KeyFile: key})
	k.install("kit", "vanish")
	tr := &http.Transport{TLSClientConfig: clientTLS(pool), DialContext: (&net.Dialer{Timeout: time.Second}).DialContext}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr, Timeout: 5 * time.Second}).Post("https://"+k.addr+"/functions/vanish/call", js, strings.NewReader(`{"args":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	read(t, resp).want(t, 500, js, ours(6000, "the plugin ended the goroutine of the call"))
}
