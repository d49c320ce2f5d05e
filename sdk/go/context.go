package vanth

import "time"

// Rule is the id of the rule that calls, empty outside a rule.
func Rule() string { return contextString(0) }

// Op is the name of the operator within the rule.
func Op() string { return contextString(1) }

// Plugin is the name under which this plugin is installed.
func Plugin() string { return contextString(3) }

// Symbol is the name by which the running function was called.
func Symbol() string { return contextString(4) }

// Instance is the number of this instance among those of the operator.
func Instance() int64 { return hostContextInt(0) }

// Now is the rule's clock, in milliseconds and UTC. Under a test or a replay it is not the wall clock.
func Now() time.Time { return time.UnixMilli(hostNow()).UTC() }

// contextString reads plain UTF-8, not a frame.
func contextString(which int32) string {
	text, code := fetch(func(out []byte) int32 { return hostContextString(which, out) })
	defer giveBack(text)
	if code < 0 {
		return ""
	}
	return string(text)
}
