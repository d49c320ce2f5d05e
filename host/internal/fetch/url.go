package fetch

import (
	"net/url"
	"path/filepath"
	"strings"
)

const packageSuffix = ".zip"

// Check judges rawURL by the rules of the package comment and touches neither disk nor network.
// The error begins with "invalid uri <rawURL>" and goes on with what was expected.
func Check(rawURL string) error {
	_, err := parse(rawURL)
	return err
}

func parse(rawURL string) (*url.URL, error) {
	invalid := func(expected string) error { return refuse("invalid uri %s: %s", rawURL, expected) }
	// As a request URI: absolute, and '#' does not begin a fragment.
	u, err := url.ParseRequestURI(rawURL)
	if err != nil {
		return nil, invalid("expected http://, https:// or file:/// and a path")
	}
	switch u.Scheme {
	case "http", "https":
		if u.Hostname() == "" {
			return nil, invalid("expected a host")
		}
	case "file":
		if reason := fileReason(u); reason != "" {
			return nil, invalid(reason)
		}
	default:
		return nil, invalid("expected scheme http, https or file")
	}
	if !strings.HasSuffix(rawURL, packageSuffix) {
		return nil, invalid("expected .zip at the end")
	}
	return u, nil
}

// fileReason says why u cannot name a local package, or nothing. The decoded path is what is
// opened, so it is judged as well: in "file:///etc/passwd?.zip" only the string ends in ".zip".
func fileReason(u *url.URL) string {
	switch {
	case u.Host != "":
		return "expected no host in a file url (file:///path)"
	case !filepath.IsAbs(u.Path):
		return "expected an absolute path"
	case u.RawQuery != "" || u.ForceQuery:
		return "expected no query in a file url"
	case strings.ContainsRune(u.Path, 0):
		return "expected a path without NUL"
	case !strings.HasSuffix(u.Path, packageSuffix):
		return "expected .zip at the end of the path"
	}
	return ""
}
