package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Groups reads the file of properties of a source or a sink, etc/<folder>/<kind>.yaml
// of a home: maps of properties by the names of their groups, which count in lower
// case. Without a file there are none.
func Groups(home, folder, kind string) (map[string]map[string]any, error) {
	root, err := os.OpenRoot(filepath.Join(home, "etc"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	b, err := root.ReadFile(filepath.Join(folder, kind+".yaml"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var file map[string]map[string]any
	if err := yaml.Unmarshal(b, &file); err != nil {
		return nil, fmt.Errorf("expected groups of properties: %w", err)
	}
	groups := make(map[string]map[string]any, len(file))
	for name, group := range file {
		groups[strings.ToLower(name)] = group
	}
	return groups, nil
}
