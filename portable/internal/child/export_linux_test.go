package child

// DropGuard makes a spawner that does not close the gap between the fork and the
// parent-death signal, for the test that must notice.
func DropGuard(s *Spawner) { s.sys.guard = "" }
