package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"aead.dev/minisign"
)

// prebuild lists where builds of plugins can be had: by the indexes of the plugin
// hosts, and where a host has none by eKuiper's layout, for which nobody is asked.
// Of hosts that have the same plugin the last counts, as in eKuiper.
func (c class) prebuild(s *Server, r *request) error {
	if runtime.GOOS != "linux" {
		return undefined("native plugins are built for Linux: run the host there, or build them for this platform yourself")
	}
	release, _ := os.ReadFile("/etc/os-release") // without one it is no alpine
	system := distribution(string(release))
	urls, usable := map[string]string{}, false
	for i, found := range s.sites.ask(s.calls) {
		site := s.sites.list[i]
		x, err := s.sites.judge(site, found)
		if errors.Is(err, errRefused) {
			s.opts.Log.Error("a plugin host is left out", "host", site.url, "why", err)
			continue
		}
		usable = true
		names := map[string]string{}
		if err == nil {
			names = x.newest(c.name, runtime.GOARCH, runtime.GOOS, system)
		} else {
			folder := site.url + "/kuiper-plugins/" + s.opts.Version + "/" + system + "/" + string(c.name) + "/"
			for _, name := range c.prebuilt {
				names[name] = folder + name + "_" + runtime.GOARCH + ".zip"
			}
		}
		maps.Copy(urls, names)
	}
	if !usable {
		return undefined("invalid configuration for plugin host in kuiper.yaml")
	}
	r.out = append(r.out[:0], '{')
	for _, name := range slices.Sorted(maps.Keys(urls)) {
		r.out = appendField(r.out, name, urls[name])
	}
	r.out = append(r.out, '}')
	return r.json()
}

const (
	// indexTimeout bounds what is asked of all hosts for one answer.
	indexTimeout = 5 * time.Second
	// indexPause is how long a host that was not reached is not asked again.
	indexPause = 30 * time.Second
)

var (
	// errNoIndex says that a host has no index, or cannot be reached.
	errNoIndex = errors.New("no index")
	// errRefused says that nothing of a host may be believed.
	errRefused = errors.New("refused")
)

// sites are the plugin hosts, in the operator's order.
type sites struct {
	list   []*site
	keys   []minisign.PublicKey // none: indexes are believed unsigned
	client *http.Client
	log    *slog.Logger
}

// site is one plugin host, and what is known of it.
type site struct {
	url string // without a slash at its end

	mu      sync.Mutex        // guards what follows
	digests map[string]string // by URL, of the last index that was accepted
	pause   time.Time         // it is not asked before
}

// answered is what a host had to say.
type answered struct {
	index, signature       []byte
	indexErr, signatureErr error
}

// newSites reads a comma list of hosts.
func newSites(hosts string, keys []string, log *slog.Logger) (*sites, error) {
	s := &sites{log: log, client: &http.Client{
		// Connections end with their answer: nothing is left to close.
		Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10},
		// The operator named this host, and no other.
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if len(via) > 3 || next.URL.Host != via[0].URL.Host || next.URL.Scheme != via[0].URL.Scheme {
				return fmt.Errorf("found a redirect to %s, expected the host itself", next.URL.Redacted())
			}
			return nil
		},
	}}
	for h := range strings.SplitSeq(hosts, ",") {
		if h = strings.TrimRight(strings.TrimSpace(h), "/"); h != "" {
			s.list = append(s.list, &site{url: h})
		}
	}
	var err error
	s.keys, err = parseKeys(keys)
	return s, err
}

// digest returns what an index said of a URL; "" when none did.
func (s *sites) digest(of string) string {
	for _, p := range slices.Backward(s.list) {
		p.mu.Lock()
		d := p.digests[of]
		p.mu.Unlock()
		if d != "" {
			return d
		}
	}
	return ""
}

// ask asks every host at once for its index, and for the signature where there
// are keys. The answers are in the order of the hosts.
func (s *sites) ask(ctx context.Context) []answered {
	ctx, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	all := make([]answered, len(s.list))
	var wg sync.WaitGroup
	for i, p := range s.list {
		wg.Go(func() { all[i] = s.get(ctx, p) })
	}
	wg.Wait()
	return all
}

func (s *sites) get(ctx context.Context, p *site) (a answered) {
	p.mu.Lock()
	paused := time.Now().Before(p.pause)
	p.mu.Unlock()
	if paused {
		a.indexErr = fmt.Errorf("%w: it was not reached a moment ago", errNoIndex)
		return a
	}
	if a.index, a.indexErr = s.download(ctx, p.url+"/index.json", maxIndex); a.indexErr == nil && len(s.keys) > 0 {
		a.signature, a.signatureErr = s.download(ctx, p.url+"/index.json.minisig", maxSignature)
	}
	if _, lost := errors.AsType[*url.Error](a.indexErr); lost {
		p.mu.Lock()
		p.pause = time.Now().Add(indexPause)
		p.mu.Unlock()
	}
	return a
}

// download reads a small file. The error is errNoIndex when there is none, and
// errRefused when it does not come whole.
func (s *sites) download(ctx context.Context, from string, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoIndex, err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoIndex, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: %s: found status %d", errNoIndex, from, resp.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %s: broke off: %w", errRefused, from, err)
	case int64(len(b)) > limit:
		return nil, fmt.Errorf("%w: %s: found more than %d bytes", errRefused, from, limit)
	}
	return b, nil
}

// judge decides what to believe of a host: its index, or, when the error is
// errNoIndex, eKuiper's layout, or, with errRefused, nothing. An operator with
// keys believes what was signed with them alone: who could take the index away
// could otherwise put packages in the layout's place.
func (s *sites) judge(p *site, a answered) (index, error) {
	signed := len(s.keys) > 0
	err := a.indexErr
	if err == nil && !bytes.HasPrefix(bytes.TrimLeft(a.index, jsonSpace), []byte("[")) {
		err = fmt.Errorf("%w: index.json: found no JSON array", errNoIndex) // a page for whatever is asked for
	}
	switch {
	case err != nil && signed && !errors.Is(err, errRefused):
		return index{}, fmt.Errorf("%w: basic.pluginKeys asks for a signed index: %w", errRefused, err)
	case err != nil:
		return index{}, err
	case a.signatureErr != nil:
		return index{}, fmt.Errorf("%w: the index is not signed: %w", errRefused, a.signatureErr)
	}
	if signed {
		if err := verify(s.keys, a.index, a.signature); err != nil {
			return index{}, fmt.Errorf("%w: %w", errRefused, err)
		}
	}
	base, err := url.Parse(p.url + "/index.json")
	if err != nil {
		return index{}, fmt.Errorf("%w: %w", errRefused, err)
	}
	x, left, err := parseIndex(base, a.index, signed)
	if err != nil {
		return index{}, fmt.Errorf("%w: %w", errRefused, err)
	}
	if left != nil {
		s.log.Warn("entries of an index are left out", "host", p.url, "why", left)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.digests = x.digests
	return x, nil
}

// distribution names the builds for a system by its os-release file.
func distribution(release string) string {
	for line := range strings.Lines(release) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key == "PRETTY_NAME" && strings.Contains(strings.ToUpper(value), "ALPINE") {
			return "alpine"
		}
	}
	return "debian"
}
