package builtin

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vanth-io/vanth/host"
)

// read takes a reading from proc.
func (s *machine) read() (reading, error) {
	r := reading{at: time.Now(), disks: map[string][2]uint64{}, networks: map[string][4]uint64{}, row: map[string]any{}}
	for _, file := range []struct {
		name string
		take func(*reading, string)
	}{
		{"stat", takeStat}, {"loadavg", takeLoad}, {"meminfo", takeMemory}, {"uptime", takeUptime}, {"diskstats", takeDisks}, {"net/dev", takeNetworks},
	} {
		b, err := os.ReadFile(filepath.Join(s.proc, file.name))
		if err != nil && file.name == "stat" {
			return r, host.Errorf(host.ErrUnavailable, "%v", err)
		}
		file.take(&r, string(b)) // what a container hides is left out
	}
	var fs syscall.Statfs_t
	if syscall.Statfs(s.owner.opts.Home, &fs) == nil {
		size, free := fs.Blocks*uint64(fs.Bsize), fs.Bavail*uint64(fs.Bsize) //nolint:gosec,unconvert // it differs by architecture
		r.row["storage"] = map[string]any{"path": s.owner.opts.Home, "total": whole(size), "free": whole(free), "usedPercent": percent(size-free, size)}
	}
	if name, err := os.Hostname(); err == nil {
		r.row["hostname"] = name
	}
	return r, nil
}

func percent(part, all uint64) float64 {
	if all == 0 {
		return 0
	}
	return 100 * float64(part) / float64(all)
}

// column is a number of a line; 0 for none.
func column(fields []string, i int) uint64 {
	if i >= len(fields) {
		return 0
	}
	n, _ := strconv.ParseUint(fields[i], 10, 64)
	return n
}

func takeStat(r *reading, text string) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 5 || !strings.HasPrefix(f[0], "cpu") {
			continue
		}
		var c cpuTimes
		for i := 1; i <= 8; i++ { // guest times are within user's
			n := column(f, i)
			c.total += n
			if i != 4 && i != 5 { // idle and iowait
				c.busy += n
			}
		}
		r.cpu = append(r.cpu, c)
	}
}

func takeLoad(r *reading, text string) {
	load := map[string]any{}
	f := strings.Fields(text)
	for i, name := range []string{"one", "five", "fifteen"} {
		if i < len(f) {
			load[name], _ = strconv.ParseFloat(f[i], 64)
		}
	}
	r.row["load"] = load
}

func takeUptime(r *reading, text string) {
	if f := strings.Fields(text); len(f) > 0 {
		r.row["uptime"], _ = strconv.ParseFloat(f[0], 64)
	}
}

func takeMemory(r *reading, text string) {
	kib := map[string]uint64{}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) >= 2 {
			kib[strings.TrimSuffix(f[0], ":")] = column(f, 1)
		}
	}
	total, free := kib["MemTotal"]<<10, kib["MemAvailable"]<<10
	used := total - min(free, total)
	r.row["memory"] = map[string]any{
		"total": whole(total), "available": whole(free), "used": whole(used), "usedPercent": percent(used, total),
		"swapTotal": whole(kib["SwapTotal"] << 10), "swapFree": whole(kib["SwapFree"] << 10),
	}
}

func takeDisks(r *reading, text string) {
	const sector = 512 // always, whatever the disk has
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 10 || strings.HasPrefix(f[2], "loop") || strings.HasPrefix(f[2], "ram") {
			continue
		}
		r.disks[f[2]] = [2]uint64{column(f, 5) * sector, column(f, 9) * sector}
	}
}

func takeNetworks(r *reading, text string) {
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(line, ":")
		f := strings.Fields(rest)
		if !ok || len(f) < 16 {
			continue
		}
		r.networks[strings.TrimSpace(name)] = [4]uint64{column(f, 0), column(f, 8), column(f, 2) + column(f, 10), column(f, 3) + column(f, 11)}
	}
}
