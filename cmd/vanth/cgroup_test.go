package main

import (
	"io/fs"
	"testing"
	"testing/fstest"
)

// Lines of mountinfo, as machines have them.
const (
	disk     = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/sda rw\n"
	unified  = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
	memoryV1 = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
	cpuV1    = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
	hybridV2 = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
)

func TestGroupLimit(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name    string
		groups  string            // of this process
		mounts  string            // after the disk's
		limits  map[string]string // files below /sys/fs/cgroup
		want    int64
		mention string
	}{
		{"no limit", "0::/user.slice\n", unified, map[string]string{"user.slice/memory.max": "max", "user.slice/memory.high": "max"}, 0, ""},
		{"no files", "0::/\n", unified, nil, 0, ""},
		{"version 2", "0::/system.slice/vanth.service\n", unified, map[string]string{
			"system.slice/vanth.service/memory.max": "67108864\n",
		}, 64 * mib, "/sys/fs/cgroup/system.slice/vanth.service/memory.max"},
		{"a parent has less", "0::/a/b/c\n", unified, map[string]string{
			"a/b/c/memory.max": "max\n", "a/b/memory.max": "134217728\n", "a/memory.max": "33554432\n", "d/memory.max": "1\n",
		}, 32 * mib, "/sys/fs/cgroup/a/memory.max"},
		{"a parent has more", "0::/a/b\n", unified, map[string]string{"a/b/memory.max": "33554432", "a/memory.max": "67108864"}, 32 * mib, "/sys/fs/cgroup/a/b/memory.max"},
		{"high is less than max", "0::/a\n", unified, map[string]string{"a/memory.max": "67108864", "a/memory.high": "50331648"}, 48 * mib, "/sys/fs/cgroup/a/memory.high"},
		{"the top of a container", "0::/\n", unified, map[string]string{"memory.max": "67108864"}, 64 * mib, "/sys/fs/cgroup/memory.max"},
		{"not a byte", "0::/a\n", unified, map[string]string{"a/memory.max": "0"}, 1, "/sys/fs/cgroup/a/memory.max"},
		{"no number", "0::/a\n", unified, map[string]string{"a/memory.max": "lots"}, 0, ""},
		{"a number for no limit", "0::/a\n", unified, map[string]string{"a/memory.max": "99999999999999999999"}, 0, ""},
		{"version 1", "4:memory:/docker/x\n1:cpu:/y\n", cpuV1 + memoryV1, map[string]string{
			"memory/docker/x/memory.limit_in_bytes": "67108864\n", "memory/memory.limit_in_bytes": "9223372036854771712\n",
			"memory/y/memory.limit_in_bytes": "1\n", "cpu/docker/x/memory.limit_in_bytes": "1\n",
		}, 64 * mib, "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes"},
		{"version 1 without a limit", "4:memory:/x\n", memoryV1, map[string]string{"memory/x/memory.limit_in_bytes": "9223372036854771712\n"}, 0, ""},
		{"controllers together", "4:cpu,memory:/x\n", "35 31 0:32 / /sys/fs/cgroup/both rw - cgroup cgroup rw,cpu,memory\n", map[string]string{
			"both/x/memory.limit_in_bytes": "67108864",
		}, 64 * mib, "/sys/fs/cgroup/both/x/memory.limit_in_bytes"},
		{"a container that sees its part only", "4:memory:/docker/x\n", "35 31 0:32 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n", map[string]string{
			"memory/memory.limit_in_bytes": "67108864",
		}, 64 * mib, "/sys/fs/cgroup/memory/memory.limit_in_bytes"},
		{"a group below that part", "0::/pod/x/y\n", "30 23 0:26 /pod/x /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n", map[string]string{
			"y/memory.max": "67108864", "memory.max": "134217728",
		}, 64 * mib, "/sys/fs/cgroup/y/memory.max"},
		{"a name that only begins alike", "0::/pod/xy\n", "30 23 0:26 /pod/x /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n", map[string]string{
			"memory.max": "67108864", "y/memory.max": "1",
		}, 64 * mib, "/sys/fs/cgroup/memory.max"},
		{"a group outside of what is seen", "0::/../x\n", unified, map[string]string{"memory.max": "67108864"}, 64 * mib, "/sys/fs/cgroup/memory.max"},
		{"both versions", "4:memory:/x\n0::/z\n", memoryV1 + hybridV2, map[string]string{
			"memory/x/memory.limit_in_bytes": "67108864", "unified/z/memory.max": "33554432",
		}, 32 * mib, "/sys/fs/cgroup/unified/z/memory.max"},
		{"a path with a space", "0::/a b\n", "30 23 0:26 / /sys/fs/cgroup/my\\040own rw - cgroup2 cgroup2 rw\n", map[string]string{
			"my own/a b/memory.max": "67108864",
		}, 64 * mib, "/sys/fs/cgroup/my own/a b/memory.max"},
		{"lines that are cut off", "0\n4:memory\n", "30 23\n - cgroup2\n", nil, 0, ""},
	} {
		root := fstest.MapFS{
			"proc/self/cgroup":    {Data: []byte(c.groups)},
			"proc/self/mountinfo": {Data: []byte(disk + c.mounts)},
		}
		for name, text := range c.limits {
			root["sys/fs/cgroup/"+name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got, where := groupLimit(root); got != c.want || where != c.mention {
			t.Errorf("%s: got %d by %q, want %d by %q", c.name, got, where, c.want, c.mention)
		}
	}
	for _, root := range []fs.FS{fstest.MapFS{}, fstest.MapFS{"proc/self/cgroup": {Data: []byte("0::/\n")}}} {
		if got, where := groupLimit(root); got != 0 || where != "" {
			t.Errorf("without /proc: got %d by %q", got, where)
		}
	}
}
