package api

import (
	"os"
	"runtime"
	"slices"
	"strings"
)

// prebuild lists where eKuiper's own builds of plugins can be had. The URLs
// are computed, nobody is asked.
func (c class) prebuild(s *Server, r *request) error {
	if runtime.GOOS != "linux" {
		return undefined("native plugins are built for Linux: run the host there, or build them for this platform yourself")
	}
	site := firstHost(s.opts.PluginHosts)
	if site == "" {
		return undefined("invalid configuration for plugin host in kuiper.yaml")
	}
	release, _ := os.ReadFile("/etc/os-release") // without one it is no alpine
	folder := site + "/kuiper-plugins/" + s.opts.Version + "/" + distribution(string(release)) + "/" + string(c.name) + "/"
	r.out = append(r.out[:0], '{')
	for _, name := range slices.Sorted(slices.Values(c.prebuilt)) {
		r.out = appendField(r.out, name, folder+name+"_"+runtime.GOARCH+".zip")
	}
	r.out = append(r.out, '}')
	return r.json()
}

// firstHost returns the first of a comma list; "" when it names none.
func firstHost(list string) string {
	for h := range strings.SplitSeq(list, ",") {
		if h = strings.TrimRight(strings.TrimSpace(h), "/"); h != "" {
			return h
		}
	}
	return ""
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
