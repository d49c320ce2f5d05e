package builtin

import (
	"time"

	"github.com/vanth-io/vanth/host"
)

// MaxBytes bounds one message.
const MaxBytes = maxBytes

// Impatient has an MQTT source that is not open yet ping often, and take a silent
// broker for dead soon.
func Impatient(s host.Source, ping, silence time.Duration) {
	k := &s.(*mqttSource).link
	k.ping, k.silence = ping, silence
}
