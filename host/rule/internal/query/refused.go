package query

import (
	"strings"

	"github.com/vanth-io/vanth/host"
)

// What to do instead of what is not there.
const (
	insteadOfState  = "a rule sees one row at a time; let a function of a plugin keep state over the rows"
	insteadOfStream = "a rule reads one stream; write one rule for each, or join in a function of a plugin"
	insteadOfRows   = "a rule makes at most one row of one; return a list from a function of a plugin"
	insteadOfBuilt  = "it is not built in; install a plugin that exports a function of this name"
)

// refuse reports a subquery.
func (p *parser) refuse() error {
	if p.peek().is("SELECT") {
		return p.unsupported("a subquery", insteadOfStream)
	}
	return nil
}

// unsupported is the error that the next token begins something eKuiper has and
// this package has not.
func (p *parser) unsupported(what, instead string) error {
	return host.Errorf(host.ErrUnsupported, "found %s at %d, which is not supported: %s", what, position(p.text, p.peek().pos), instead)
}

// refuseClause reports a clause that may stand behind FROM or WHERE.
func (p *parser) refuseClause() error {
	t, n := p.peek(), p.ahead(1)
	if t.kind != tokWord && t.kind != tokOp {
		return nil
	}
	switch word := strings.ToUpper(t.text); word {
	case ",":
		return p.unsupported("a second stream", insteadOfStream)
	case "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS":
		return p.unsupported("JOIN", insteadOfStream)
	case "GROUP":
		for i := 2; ; i++ {
			w := p.ahead(i)
			if w.kind == tokEnd {
				return p.unsupported("GROUP BY", insteadOfState)
			}
			if w.kind == tokWord && windows[strings.ToLower(w.text)] {
				return p.unsupported("GROUP BY "+strings.ToUpper(w.text), insteadOfState)
			}
		}
	case "HAVING":
		return p.unsupported(word, "there are no groups; write WHERE")
	case "ORDER":
		return p.unsupported("ORDER BY", insteadOfState)
	case "LIMIT":
		return p.unsupported(word, insteadOfState)
	case "UNION", "INTERSECT":
		return p.unsupported(word, insteadOfStream)
	case "EXCEPT":
		if !n.is("(") {
			return p.unsupported(word, insteadOfStream)
		}
	}
	return nil
}

var windows = set("tumblingwindow hoppingwindow sessionwindow slidingwindow countwindow statewindow")

// refusedFunction says why one of eKuiper's functions is not here; "" when
// eKuiper has none of that name. A plugin may bring any of them.
func refusedFunction(lower string) string {
	switch {
	case windows[lower]:
		return "it is a window: " + insteadOfState
	case aggregates[lower]:
		return "it aggregates many rows: " + insteadOfState
	case analytics[lower]:
		return "it looks at earlier rows: " + insteadOfState
	case manyRows[lower]:
		return "it makes many rows or columns: " + insteadOfRows
	case unbuilt[lower]:
		return insteadOfBuilt
	}
	return ""
}

var (
	aggregates = set("avg count max min sum collect merge_agg deduplicate stddev stddevs var vars median " +
		"percentile_cont percentile_disc last_value first_value row_number count_distinct " +
		"inc_count inc_avg inc_max inc_min inc_sum inc_merge_agg inc_collect inc_last_value")
	analytics = set("lag latest lead changed_col changed_cols had_changed acc_avg acc_count acc_max acc_min acc_sum " +
		"global_avg global_count global_max global_min global_sum last_hit_count last_hit_time " +
		"last_agg_hit_count last_agg_hit_time rank dense_rank window_start window_end window_trigger event_count")
	manyRows = set("unnest")
	unbuilt  = set("array_avg array_cardinality array_concat array_contains_any array_distinct array_except array_flatten " +
		"array_intersect array_join array_last_position array_map array_max array_min array_remove array_shuffle array_sort " +
		"array_union bypass chr compress conv crc32 cur_date cur_time current_date current_time date_calc " +
		"date_diff day day_name day_of_month day_of_week day_of_year decompress delay dec2hex hex2dec erase format " +
		"format_time from_days from_unix_time get_keyed_state hour image_resize items json_path_exists json_path_query " +
		"json_path_query_first keys kvpair_array_to_obj last_day local_time local_timestamp lpad microsecond minute month " +
		"month_name numbytes obj_to_kvpair_array object object_concat object_pick object_size repeat reverse rpad second " +
		"sequence thumbnail to_seconds unix_timestamp values zip")
)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}
