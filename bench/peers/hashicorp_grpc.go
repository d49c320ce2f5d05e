package main

import (
	"context"
	"fmt"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	pb "github.com/vanth-io/vanth/bench/peers/proto/hashicorp"
)

// grpcPlugin is both sides of the plugin that speaks gRPC.
type grpcPlugin struct{ plugin.NetRPCUnsupportedPlugin }

func (grpcPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	pb.RegisterWorkServer(s, grpcServer{})
	return nil
}

func (grpcPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return pb.NewWorkClient(c), nil
}

// serveGRPC is the child process.
func serveGRPC() {
	go dieWithHost()
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: handshake(), Plugins: plugin.PluginSet{pluginName: grpcPlugin{}}, GRPCServer: plugin.DefaultGRPCServer,
	})
}

type grpcServer struct{ pb.UnimplementedWorkServer }

func (grpcServer) Add(_ context.Context, t *pb.Terms) (*pb.Number, error) {
	return &pb.Number{Value: t.GetA() + t.GetB()}, nil
}

func (grpcServer) Echo(_ context.Context, p *pb.Payload) (*pb.Payload, error) { return p, nil }

func (grpcServer) Row(_ context.Context, r *pb.Record) (*pb.Record, error) { return r, nil }

func (grpcServer) Fib(_ context.Context, n *pb.Number) (*pb.Number, error) {
	return &pb.Number{Value: fibonacci(n.GetValue())}, nil
}

// openGRPC calls the generated client. Goroutines share its connection.
func openGRPC(ctx context.Context, s *subject, b *bench) error {
	raw, err := dispense(ctx, s, b, roleGRPC, plugin.ProtocolGRPC, grpcPlugin{})
	if err != nil {
		return err
	}
	c, ok := raw.(pb.WorkClient)
	if !ok {
		return fmt.Errorf("found %T, expected a client", raw)
	}
	s.add = func(a, b int64) (int64, error) {
		n, err := c.Add(ctx, &pb.Terms{A: a, B: b})
		return n.GetValue(), err
	}
	s.fib = func(n int64) (int64, error) {
		v, err := c.Fib(ctx, &pb.Number{Value: n})
		return v.GetValue(), err
	}
	s.echo = func(size int, _ bool) (*echoer, error) {
		return newEchoer(size, func(_, payload []byte) ([]byte, error) {
			v, err := c.Echo(ctx, &pb.Payload{Bytes: payload})
			return v.GetBytes(), err
		}), nil
	}
	r := newRecord()
	s.row = func(id int64, all bool) error {
		r.ID = id
		v, err := c.Row(ctx, &pb.Record{
			Id: r.ID, Name: r.Name, Temperature: r.Temperature, Humidity: r.Humidity,
			Ok: r.OK, Site: r.Site, Count: r.Count, Unit: r.Unit,
		})
		if err != nil {
			return err
		}
		return r.check(Record{
			ID: v.GetId(), Name: v.GetName(), Temperature: v.GetTemperature(), Humidity: v.GetHumidity(),
			OK: v.GetOk(), Site: v.GetSite(), Count: v.GetCount(), Unit: v.GetUnit(),
		}, all)
	}
	return nil
}
