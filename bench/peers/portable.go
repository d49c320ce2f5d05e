package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os/exec"

	sdk "github.com/vanth-io/vanth/sdk/go"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/portable"
)

// prefix keeps our sockets in the shared /tmp apart from those of others.
const prefix = "peers_"

// openLane calls a child process that is built with our SDK, over the fast lane.
func openLane(ctx context.Context, s *subject, b *bench) error {
	f, err := openPortable(ctx, s, b, roleLane)
	if err != nil {
		return err
	}
	s.boxed(ctx, f)
	s.echo = func(size int, _ bool) (*echoer, error) {
		return newFramedEchoer(size, func(dst, args []byte) ([]byte, error) { return f.echo.ExecBytes(ctx, nil, dst, args) })
	}
	return nil
}

// openWire calls the plugin of openLockstep, which knows eKuiper's wire only.
func openWire(ctx context.Context, s *subject, b *bench) error {
	f, err := openPortable(ctx, s, b, roleWire)
	if err != nil {
		return err
	}
	s.boxed(ctx, f)
	return nil
}

// openPortable installs a plugin whose program is this one in another role.
func openPortable(ctx context.Context, s *subject, b *bench, role string) (functions, error) {
	if _, err := exec.LookPath("/bin/sh"); err != nil {
		return functions{}, fmt.Errorf("%w: %w", errLacks, err)
	}
	script := fmt.Sprintf("#!/bin/sh\nexec '%s' %s %s\n", b.self, roleWord, role)
	manifest := fmt.Sprintf(`{"version":"1","language":"executable","executable":"run.sh","functions":["%[1]sadd","%[1]secho","%[1]srow","%[1]sfib"]}`, prefix+role+"_")
	rt := portable.New(portable.Options{SharedTmp: true}) // where this program may lie
	return openFunctions(ctx, s, b, rt, host.ID{Class: host.ClassPortables, Name: prefix + role},
		map[string][]byte{"run.sh": []byte(script), prefix + role + ".json": []byte(manifest)}, prefix+role+"_")
}

// payloadOf reads bytes, which are base64 on eKuiper's wire.
func payloadOf(v any, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case []byte:
		return v, nil
	case string:
		return base64.StdEncoding.DecodeString(v)
	default:
		return nil, fmt.Errorf("found %T, expected bytes", v)
	}
}

// lanePlugin is the other side of openLane. It does not return.
func lanePlugin() {
	sdk.Func2(prefix+roleLane+"_add", func(a, b int64) int64 { return a + b })
	sdk.Func1(prefix+roleLane+"_echo", func(p []byte) []byte { return p })
	sdk.Func1(prefix+roleLane+"_row", func(m map[string]any) map[string]any { return m })
	sdk.Func1(prefix+roleLane+"_fib", fibonacci)
	sdk.Serve(sdk.Name(prefix + roleLane))
}
