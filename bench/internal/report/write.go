package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Write judges the rows and writes summary.json (the rows), table.md and plot.svg into dir, which it
// makes. Title heads the table and the plot; below it they name the machine; notes are paragraphs
// below the table.
func Write(dir, title string, rows []Row, notes ...string) error {
	rows, err := judged(rows)
	if err != nil {
		return err
	}
	summary, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return fmt.Errorf("summary.json: %w: a figure that is not a number was measured", err)
	}
	m := ThisMachine()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"summary.json": append(summary, '\n'), "table.md": table(title, m, rows, notes), "plot.svg": plot(title, m, rows),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
