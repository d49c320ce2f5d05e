package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// table is what benchstat says of one benchmark that became 30 % slower, one that became faster, one
// that differs by chance, one by little, and one that allocates where it did not.
const table = `goos: linux
goarch: amd64
,ref,,tree,,,
,sec/op,CI,sec/op,CI,vs base,P
"Work/add(f64,f64)/slower-2",5.0395e-08,1%,6.5315e-08,1%,+29.61%,p=0.000 n=10
Work/faster-2,6e-08,1%,4e-08,1%,-33.33%,p=0.000 n=10
Work/chance-2,5e-08,1%,9e-08,1%,~,p=0.197 n=10
Work/little-2,5e-08,1%,5.4e-08,1%,+8.00%,p=0.000 n=10
Work/allocates-2,5e-08,1%,5e-08,1%,~,p=1.000 n=10
Work/new-2,,,5e-08,1%,,
geomean,5.05e-08,,5.73e-08,,+13.60%,

,ref,,tree,,,
,B/op,CI,B/op,CI,vs base,P
Work/slower-2,10,0%,100,0%,+900.00%,p=0.000 n=10

,ref,,tree,,,
,allocs/op,CI,allocs/op,CI,vs base,P
Work/allocates-2,0,0%,1,0%,?,p=0.000 n=10
Work/chance-2,0,0%,0,0%,~,p=1.000 n=10
geomean,,,,,?,
`

func TestJudge(t *testing.T) {
	for bound, want := range map[float64][]string{
		10: {"Work/add(f64,f64)/slower-2: sec/op", "Work/allocates-2: allocs/op 1, was 0"},
		5:  {"Work/add(f64,f64)/slower-2: sec/op", "Work/little-2: sec/op", "Work/allocates-2: allocs/op 1, was 0"},
		40: {"Work/allocates-2: allocs/op 1, was 0"},
	} {
		worse, compared, err := judge(table, bound)
		if err != nil || compared != 7 || len(worse) != len(want) {
			t.Fatalf("bound %v: found %q, %d compared, %v", bound, worse, compared, err)
		}
		for i, w := range want {
			if !strings.HasPrefix(worse[i], w) {
				t.Errorf("bound %v: found %q, expected %q", bound, worse[i], w)
			}
		}
	}
	if _, _, err := judge(strings.ReplaceAll(table, "6.5315e-08", "fast"), 10); err == nil {
		t.Error("found no error in a table without numbers")
	}
	if worse, compared, err := judge("goos: linux\n,ref,\n,sec/op,CI\nWork/a-2,5e-08,1%\n", 10); worse != nil || compared != 0 || err != nil {
		t.Errorf("nothing in common: found %q, %d, %v", worse, compared, err)
	}
}

// repository makes one with a package bench, whose one benchmark takes so many turns.
func repository(t *testing.T, slow, fast string) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	source := func(turns string) string {
		return "package bench\n\nimport \"testing\"\n\nvar sink float64\n\nfunc BenchmarkWork(b *testing.B) {\n\tfor b.Loop() {\n" +
			"\t\tfor i := range " + turns + " {\n\t\t\tsink = sink/3 + float64(i)\n\t\t}\n\t}\n}\n"
	}
	git := func(args ...string) {
		t.Helper()
		args = append([]string{"-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"}, args...)
		if said, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, said)
		}
	}
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("go.mod", "module example.org/m\n\ngo 1.24\n")
	if err := os.Mkdir("bench", 0o755); err != nil {
		t.Fatal(err)
	}
	put("bench/work_test.go", source(fast))
	git("init", "-q")
	git("add", ".")
	git("commit", "-q", "-m", "m")
	put("bench/work_test.go", source(slow))
}

// TestCompare has a tree that is ten times slower than its last commit, and one that is not. It needs
// benchstat, which `make bench-compare` builds.
func TestCompare(t *testing.T) {
	benchstat, err := filepath.Abs("../../../build/bin/benchstat")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(benchstat); err != nil {
		t.Skip("SKIPPED: found no build/bin/benchstat")
	}
	if testing.Short() {
		t.Skip("SKIPPED: -short")
	}
	// Whatever else the machine does, ten times is more.
	args := []string{"-benchstat", benchstat, "-dir", "out", "-count", "5", "-time", "5ms", "-alpha", "0.05", "-bound", "200"}
	for _, c := range []struct {
		name, turns, want string
	}{
		{"ten times slower", "20000", "worse than HEAD by more than 200 %:\n  Work"},
		{"the same", "2000", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			repository(t, c.turns, "2000")
			err := run(t.Context(), args)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("found %v, expected %q", err, c.want)
			}
			if _, err := os.Stat(filepath.Join("out", "ref")); err == nil {
				t.Error("the worktree is still there")
			}
		})
	}
	repository(t, "2000", "2000")
	if err := run(t.Context(), append(args, "-ref", "nowhere")); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("found %v, expected an error that names the revision", err)
	}
	if err := run(t.Context(), append(args, "-bench", "Nothing")); err == nil || !strings.Contains(err.Error(), "both have") {
		t.Errorf("found %v, expected that nothing is in common", err)
	}
}
