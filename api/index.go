package api

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"aead.dev/minisign"

	"github.com/vanth-io/vanth/host"
)

// A plugin host may list what it has:
//
//	index.json           [{"name","class","version","os","arch","url","sha256"}, ...]
//	index.json.minisig   the signature of it that minisign makes
//
// The bounds of both, in bytes and entries; an index beyond them is refused.
const (
	maxIndex     = 4 << 20
	maxSignature = 8 << 10
	maxEntries   = 10_000
)

// Bounds of one entry, in bytes; one beyond them is left out.
const (
	maxVersion = 128 // also of a name
	maxURL     = 2 << 10
)

// listing is one entry of an index.
type listing struct {
	Name    string `json:"name"`
	Class   string `json:"class"`
	Type    string `json:"type"` // what Class is called in eKuiper
	Version string `json:"version"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	URL     string `json:"url"` // absolute once it was judged
	SHA256  string `json:"sha256"`
}

// index is what was accepted of an index.
type index struct {
	list    []listing
	digests map[string]string // SHA256 by URL, of all entries that have one
}

// verify reports why no key stands for an index; nil when one does.
func verify(keys []minisign.PublicKey, text, signature []byte) error {
	for _, k := range keys {
		if minisign.Verify(k, text, signature) {
			return nil
		}
	}
	return errors.New("index.json.minisig: found a signature of other bytes or by none of basic.pluginKeys")
}

// parseKeys reads public keys as minisign writes them, without their comment.
func parseKeys(list []string) ([]minisign.PublicKey, error) {
	keys := make([]minisign.PublicKey, len(list))
	for i, text := range list {
		if err := keys[i].UnmarshalText([]byte(text)); err != nil {
			return nil, fmt.Errorf("plugin key %.64q: %w", text, err)
		}
	}
	return keys, nil
}

// parseIndex reads an index, a JSON array, that stands at base. signed: an entry must have a
// digest, since the signature would not cover its package otherwise. Entries that
// nothing can be done with are left out; left says how many and why the first.
func parseIndex(base *url.URL, text []byte, signed bool) (x index, left error, err error) {
	x.digests = map[string]string{}
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil { // the bracket
		return x, nil, fmt.Errorf("index.json: %w", err)
	}
	found, out := 0, 0
	var first error
	for d.More() {
		if found++; found > maxEntries {
			return x, nil, fmt.Errorf("index.json: found more than %d entries", maxEntries)
		}
		var e listing
		if err := d.Decode(&e); err != nil {
			return x, nil, fmt.Errorf("index.json: entry %d: %w", found, err)
		}
		if err := x.add(base, e, signed); err != nil {
			if out++; out == 1 {
				first = fmt.Errorf("entry %d: %w", found, err)
			}
		}
	}
	if _, err := d.Token(); err != nil {
		return x, nil, fmt.Errorf("index.json: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return x, nil, errors.New("index.json: found more than one value")
	}
	if out > 0 {
		left = fmt.Errorf("%d of %d entries; %w", out, found, first)
	}
	return x, left, nil
}

// add judges an entry.
func (x *index) add(base *url.URL, e listing, signed bool) error {
	if len(e.Name) > maxVersion {
		return fmt.Errorf("name: found %d bytes, expected at most %d", len(e.Name), maxVersion)
	}
	if err := host.CheckName(e.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if e.Class == "" {
		e.Class = e.Type
	}
	if len(e.Version) > maxVersion || strings.ContainsFunc(e.Version, unicode.IsControl) {
		return fmt.Errorf("version: found %.64q, expected at most %d printable characters", e.Version, maxVersion)
	}
	u, err := base.Parse(e.URL)
	if err != nil || len(e.URL) > maxURL || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || !strings.HasSuffix(u.String(), ".zip") {
		return fmt.Errorf("url: found %.64q, expected one of http or https that ends in .zip", e.URL)
	}
	e.URL, e.SHA256 = u.String(), strings.ToLower(e.SHA256)
	if e.SHA256 == "" && !signed {
		x.list = append(x.list, e)
		return nil
	}
	if b, err := hex.DecodeString(e.SHA256); err != nil || len(b) != 32 {
		return fmt.Errorf("sha256: found %.80q, expected 64 hex digits", e.SHA256)
	}
	if was, ok := x.digests[e.URL]; ok && was != e.SHA256 {
		return fmt.Errorf("sha256: found a second one for %.128q", e.URL)
	}
	x.digests[e.URL] = e.SHA256
	x.list = append(x.list, e)
	return nil
}

// newest returns the URL of the greatest version of each plugin of a class that
// is made for a system.
func (x *index) newest(class host.Class, arch string, systems ...string) map[string]string {
	best := map[string]listing{}
	for _, e := range x.list {
		is := e.Class == string(class) || e.Class+"s" == string(class)
		if !is || e.Arch != arch || !slices.Contains(systems, e.OS) {
			continue
		}
		if was, ok := best[e.Name]; !ok || host.NewerVersion(e.Version, was.Version) {
			best[e.Name] = e
		}
	}
	urls := make(map[string]string, len(best))
	for name, e := range best {
		urls[name] = e.URL
	}
	return urls
}
