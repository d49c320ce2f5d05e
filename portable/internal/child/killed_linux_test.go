package child_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"math/big"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/vanth-io/vanth/portable/internal/child"
)

// orphaned kills a host of the given role, once it is ready and some time has gone
// by, and returns who is alive within then: the mark m finds them.
func orphaned(t *testing.T, r, m string, level child.Level, after, within time.Duration) []int {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host := exec.Command(exe)
	host.Env = []string{role + "=" + r, mark + "=" + m, "LEVEL=" + string(level), "PATH=" + os.Getenv("PATH")}
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	defer slaughter(t, m)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the host says %q: %v", line, err)
	}
	time.Sleep(after)
	if r != "restless" && r != "unguarded" && len(alive(t, m)) < 5 {
		t.Fatalf("the host has too few processes: %v", alive(t, m))
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait()
	return extinct(t, m, within)
}

// What a killed host leaves behind on the levels with a PID namespace: nobody.
func TestHostKilled(t *testing.T) {
	each(t, func(t *testing.T, s *child.Spawner) {
		left := orphaned(t, "family", rand.Text(), s.Level(), 0, 100*time.Millisecond)
		if s.Level() == child.LevelProcess {
			// Nothing is promised of those in sessions of their own; the children are dead.
			for _, pid := range left {
				if b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline"); bytes.Contains(b, []byte(brood)) {
					t.Errorf("%d is alive: %q", pid, b)
				}
			}
			return
		}
		if len(left) > 0 {
			t.Errorf("%d processes are alive: %v", len(left), left)
		}
	})
}

// The check finds who is left by a host that takes no care.
func TestHostKilledIsNoticed(t *testing.T) {
	if left := orphaned(t, "careless", rand.Text(), "", 0, 100*time.Millisecond); len(left) < 5 {
		t.Errorf("only %v were found", left)
	}
}

// A host that is killed at any instant of a start leaves no child. VANTH_KILLS is
// how often it is tried.
func TestHostKilledWithinStart(t *testing.T) {
	kills, err := strconv.Atoi(os.Getenv("VANTH_KILLS"))
	if err != nil {
		kills = 20
	}
	each(t, func(t *testing.T, s *child.Spawner) {
		failed, m := 0, rand.Text()
		for range kills {
			if len(orphaned(t, "restless", m, s.Level(), instant(), 2*time.Second)) > 0 {
				failed++
			}
		}
		// One that was between two programs had no environment to be found by.
		time.Sleep(50 * time.Millisecond)
		if left := alive(t, m); failed > 0 || len(left) > 0 {
			t.Errorf("%d of %d killed hosts have left a child; %v are alive", failed, kills, left)
			slaughter(t, m)
		}
	})
}

// Without the guard about one in ten does.
func TestHostKilledWithinStartIsNoticed(t *testing.T) {
	each(t, func(t *testing.T, s *child.Spawner) {
		if s.Level() != child.LevelPIDs {
			t.Skip("one is enough; on process Go closes the gap")
		}
		m := rand.Text()
		defer func() {
			time.Sleep(50 * time.Millisecond)
			slaughter(t, m)
		}()
		for range 200 {
			if len(orphaned(t, "unguarded", m, s.Level(), instant(), 500*time.Millisecond)) > 0 {
				return
			}
		}
		t.Error("200 killed hosts have left no child")
	})
}

func instant() time.Duration {
	n, _ := rand.Int(rand.Reader, big.NewInt(int64(8*time.Millisecond)))
	return time.Duration(n.Int64())
}
