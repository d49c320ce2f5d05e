package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/vanth-io/vanth/cmd/vanth/internal/config"
	"github.com/vanth-io/vanth/host/rule"
)

func newRun(e env) *cobra.Command {
	var home string
	var streams []string
	c := &cobra.Command{
		Use:   "run RULE.json",
		Short: "Run one rule in the foreground and print what flows",
		Long: "Run one rule in the foreground, without a server, and print each row that reaches a\n" +
			"sink. The plugins are those of the home, which no server may be using; the streams\n" +
			"too, and those of --stream and of the key \"streams\" in the file. Nothing is stored.\n" +
			"It ends when the sources do, or on Ctrl-C.",
		Example: `  vanth run rule.json --stream 'CREATE STREAM s () WITH (TYPE="simulator", CONF_KEY="demo")'`,
		Args:    oneName,
	}
	c.Flags().StringVar(&home, "home", "", "the home directory (VANTH_HOME; default vanth in the user's data directory)")
	c.Flags().StringArrayVar(&streams, "stream", nil, "a CREATE STREAM statement; may be given many times")
	_ = c.MarkFlagDirname("home")
	c.RunE = action(func(cmd *cobra.Command, args []string) error {
		home, err := findHome(home, e)
		if err != nil {
			return coded(exitUsage, err)
		}
		text, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		var more struct {
			ID      string   `json:"id"`
			Streams []string `json:"streams"`
		}
		if err := json.Unmarshal(text, &more); err != nil {
			return usagef("%s: %w", args[0], err)
		}
		id := cmp.Or(more.ID, "run") // nobody will ask for it by its name
		return runRule(cmd.Context(), home, id, text, append(more.Streams, streams...), e)
	})
	return c
}

// runRule runs a rule until it ends.
func runRule(ctx context.Context, home, id string, text []byte, streams []string, e env) (err error) {
	if _, err := config.Prepare(home); err != nil {
		return err
	}
	c, _, err := config.Load(config.Sources{Home: home, File: config.File(home), Environ: e.vars})
	if err != nil {
		return coded(exitUsage, err)
	}
	out := newLogWriter(e.err)
	defer out.close(time.Second)
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: max(c.Basic.Level(), slog.LevelWarn)}))
	ctx, restore := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer restore()

	s := &server{}
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Basic.StopTimeout)
		defer cancel()
		if e := s.close(clean); err == nil {
			err = e
		}
	}()
	if err := s.openHost(ctx, home, c, log); err != nil {
		return err
	}
	kept := rule.NewMemory(s.kept)
	o := ruleOptions(home, c, log)
	o.Host, o.Store, o.Tap = s.host, kept, printer(e.out)
	rules, err := rule.Open(ctx, o)
	if err != nil {
		return err
	}
	s.opened("rules", rules.Close)
	for _, sql := range streams {
		if _, err := rules.CreateStream(sql); err != nil {
			return err
		}
	}
	if err := rules.Update(id, text); err != nil { // which gives it the id if it has none
		return err
	}
	return rules.Wait(ctx, id)
}

// printer prints rows as lines of JSON.
func printer(w io.Writer) func(sink string, row map[string]any) {
	var mu sync.Mutex
	return func(sink string, row map[string]any) {
		var text bytes.Buffer
		e := json.NewEncoder(&text) // which ends a line
		e.SetEscapeHTML(false)
		if err := e.Encode(row); err != nil {
			text.Reset()
			fmt.Fprintf(&text, "%q\n", fmt.Sprint(row))
		}
		mu.Lock()
		defer mu.Unlock()
		_, _ = fmt.Fprintf(w, "%s\t%s", sink, text.Bytes())
	}
}
