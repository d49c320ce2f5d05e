package api

import (
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/vanth-io/vanth/host"
)

// metrics writes Prometheus's text form by hand: everything it tells is in the
// host already, and counting twice would cost the call path.
func metrics(s *Server, r *request) error {
	list := s.host.Functions()
	dst := r.out[:0]
	family := func(name, kind, help string, value func(dst []byte, f *host.FunctionDesc) []byte) {
		dst = appendFamily(dst, name, kind, help)
		for i := range list {
			dst = appendLabels(dst, name, &list[i], "")
			dst = append(value(dst, &list[i]), '\n')
		}
	}
	family("vanth_function_calls_total", "counter", "Calls since the host started.",
		func(dst []byte, f *host.FunctionDesc) []byte { return strconv.AppendUint(dst, f.Usage.Calls, 10) })
	family("vanth_function_errors_total", "counter", "Calls that ended with an error.",
		func(dst []byte, f *host.FunctionDesc) []byte { return strconv.AppendUint(dst, f.Usage.Errors, 10) })

	dst = appendFamily(dst, "vanth_function_latency_seconds", "gauge", "Upper bound of a quantile of the sampled call times.")
	for i := range list {
		for _, q := range [...]struct {
			quantile string
			value    time.Duration
		}{{"0.5", list[i].Usage.P50}, {"0.99", list[i].Usage.P99}} {
			dst = appendLabels(dst, "vanth_function_latency_seconds", &list[i], q.quantile)
			dst = strconv.AppendFloat(dst, q.value.Seconds(), 'g', -1, 64)
			dst = append(dst, '\n')
		}
	}

	dst = appendFamily(dst, "vanth_plugins", "gauge", "Plugins by class and status.")
	for _, c := range classes() {
		count := map[string]int{}
		for _, p := range s.host.List(c.name) {
			count[status(p.Err)]++
		}
		for _, st := range [...]string{"running", "error"} {
			dst = append(dst, `vanth_plugins{class="`+string(c.name)+`",status="`+st+`"} `...)
			dst = append(strconv.AppendInt(dst, int64(count[st]), 10), '\n')
		}
	}
	metered := func(name, help string, value func(dst []byte, id host.ID, used uint64) []byte) {
		dst = appendFamily(dst, name, "counter", help)
		for _, c := range classes() {
			for _, p := range s.host.List(c.name) {
				if used, counted := s.host.Fuel(p.ID); counted {
					dst = appendLabel(append(append(dst, name...), '{'), "plugin", p.ID.Name)
					dst = append(appendLabel(append(dst, ','), "class", string(c.name)), "} "...)
					dst = append(value(dst, p.ID, used), '\n')
				}
			}
		}
	}
	metered("vanth_wasm_fuel_total", "What calls used, in units of about one instruction.",
		func(dst []byte, _ host.ID, used uint64) []byte { return strconv.AppendUint(dst, used, 10) })
	metered("vanth_wasm_cpu_wait_seconds_total", "For how long calls waited since their plugin had used its cpuPercent.",
		func(dst []byte, id host.ID, _ uint64) []byte {
			return strconv.AppendFloat(dst, s.host.Waited(id).Seconds(), 'f', 3, 64)
		})
	dst = appendFamily(dst, "vanth_uptime_seconds", "gauge", "Time since the API was made.")
	dst = append(dst, "vanth_uptime_seconds "...)
	dst = append(strconv.AppendInt(dst, int64(time.Since(s.start)/time.Second), 10), '\n')

	r.out = dst
	r.write(fasthttp.StatusOK, "text/plain; version=0.0.4; charset=utf-8", r.out)
	return nil
}

func appendFamily(dst []byte, name, kind, help string) []byte {
	dst = append(dst, "# HELP "+name+" "+help+"\n"...)
	return append(dst, "# TYPE "+name+" "+kind+"\n"...)
}

// appendLabels appends a series' name.
func appendLabels(dst []byte, name string, f *host.FunctionDesc, quantile string) []byte {
	dst = append(dst, name...)
	dst = appendLabel(append(dst, '{'), "function", f.Name)
	dst = appendLabel(append(dst, ','), "plugin", f.Plugin.Name)
	dst = appendLabel(append(dst, ','), "class", string(f.Plugin.Class))
	if quantile != "" {
		dst = appendLabel(append(dst, ','), "quantile", quantile)
	}
	return append(dst, "} "...)
}

// appendLabel quotes, since a folder dropped in may have any name.
func appendLabel(dst []byte, key, value string) []byte {
	dst = append(dst, key...)
	dst = append(dst, '=', '"')
	for i := range len(value) {
		switch c := value[i]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
