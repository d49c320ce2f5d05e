package main

import (
	"context"
	"fmt"
	"net/rpc"

	"github.com/hashicorp/go-plugin"
)

// netRPCPlugin is both sides of the plugin that speaks net/rpc.
type netRPCPlugin struct{}

func (netRPCPlugin) Server(*plugin.MuxBroker) (any, error) { return netRPCServer{}, nil }

func (netRPCPlugin) Client(_ *plugin.MuxBroker, c *rpc.Client) (any, error) { return c, nil }

// serveNetRPC is the child process.
func serveNetRPC() {
	go dieWithHost()
	plugin.Serve(&plugin.ServeConfig{HandshakeConfig: handshake(), Plugins: plugin.PluginSet{pluginName: netRPCPlugin{}}})
}

// Terms are the arguments of Add. net/rpc takes exported types only.
type Terms struct{ A, B int64 }

// netRPCServer has the methods that net/rpc looks for.
type netRPCServer struct{}

func (netRPCServer) Add(t Terms, sum *int64) error {
	*sum = t.A + t.B
	return nil
}

func (netRPCServer) Echo(p []byte, back *[]byte) error {
	*back = p
	return nil
}

func (netRPCServer) Row(r Record, back *Record) error {
	*back = r
	return nil
}

func (netRPCServer) Fib(n int64, v *int64) error {
	*v = fibonacci(n)
	return nil
}

// openNetRPC calls over net/rpc. Goroutines share its connection.
func openNetRPC(ctx context.Context, s *subject, b *bench) error {
	raw, err := dispense(ctx, s, b, roleNetRPC, plugin.ProtocolNetRPC, netRPCPlugin{})
	if err != nil {
		return err
	}
	c, ok := raw.(*rpc.Client)
	if !ok {
		return fmt.Errorf("found %T, expected a client", raw)
	}
	s.add = func(a, b int64) (sum int64, err error) {
		err = c.Call("Plugin.Add", Terms{a, b}, &sum)
		return sum, err
	}
	s.fib = func(n int64) (v int64, err error) {
		err = c.Call("Plugin.Fib", n, &v)
		return v, err
	}
	s.echo = func(size int, _ bool) (*echoer, error) {
		return newEchoer(size, func(dst, payload []byte) ([]byte, error) {
			back := dst // gob decodes into what is there
			err := c.Call("Plugin.Echo", payload, &back)
			return back, err
		}), nil
	}
	r := newRecord()
	s.row = func(id int64, all bool) error {
		r.ID = id
		var back Record
		if err := c.Call("Plugin.Row", r, &back); err != nil {
			return err
		}
		return r.check(back, all)
	}
	return nil
}
