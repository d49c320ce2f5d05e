package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/vanth-io/vanth/cmd/vanth/internal/config"
)

// listen opens the listeners of the API: TCP, the Unix socket, or both; api
// speaks TLS on the first where it is configured. On an error none is left open.
func listen(ctx context.Context, b config.Basic) (list []net.Listener, err error) {
	defer func() {
		if err != nil {
			closeAll(list)
			list = nil
		}
	}()
	if b.RestIP != "" {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(b.RestIP, strconv.Itoa(b.RestPort)))
		if errors.Is(err, syscall.EADDRINUSE) {
			return list, fmt.Errorf("%w: is another server running? set basic.restPort or --listen", err)
		}
		if err != nil {
			return list, err
		}
		list = append(list, l)
	}
	if b.RestSocket != "" {
		l, err := listenUnix(ctx, b.RestSocket)
		if err != nil {
			return list, fmt.Errorf("basic.restSocket: %w", err)
		}
		list = append(list, l)
	}
	return list, nil
}

// listenUnix opens a socket that only its owner may use. A socket that a killed
// server left is replaced; one that somebody answers on is not.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s: is there and no socket: move it away", path)
	default:
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", path)
		if err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("%s: another server is using it", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

func closeAll(list []net.Listener) {
	for _, l := range list {
		_ = l.Close()
	}
}

// addresses names where listeners listen, as --server takes it.
func addresses(list []net.Listener, b config.Basic) string {
	text := ""
	for _, l := range list {
		a := "http://" + l.Addr().String()
		switch {
		case l.Addr().Network() == "unix":
			a = "unix://" + l.Addr().String()
		case b.CertFile != "":
			a = "https://" + l.Addr().String()
		}
		if text != "" {
			text += " "
		}
		text += a
	}
	return text
}
