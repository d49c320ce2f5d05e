package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
)

// handshake and pluginName are what both sides of hashicorp/go-plugin agree on.
func handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "VANTH_PEERS", MagicCookieValue: "work"}
}

const pluginName = "work"

// life is the descriptor of a child that ends when the host does: go-plugin's own
// children would outlive a host that was killed.
const life = 3

// dieWithHost ends this process, a child, when the host has gone.
func dieWithHost() {
	_, _ = io.Copy(io.Discard, os.NewFile(life, "life"))
	os.Exit(0)
}

// dispense starts a child process and returns the client of its plugin.
func dispense(ctx context.Context, s *subject, b *bench, role string, protocol plugin.Protocol, p plugin.Plugin) (any, error) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s.onClose(ours.Close)
	cmd := exec.CommandContext(ctx, b.self, roleWord, role)
	cmd.ExtraFiles = []*os.File{theirs} // the first is descriptor 3
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake(),
		Plugins:          plugin.PluginSet{pluginName: p},
		Cmd:              cmd,
		AllowedProtocols: []plugin.Protocol{protocol},
		Logger:           hclog.NewNullLogger(),
	})
	s.onClose(func() error {
		client.Kill()
		return nil
	})
	protocolClient, err := client.Client()
	err = errors.Join(err, theirs.Close()) // the child has it, if it runs
	if err != nil {
		return nil, err
	}
	return protocolClient.Dispense(pluginName)
}
