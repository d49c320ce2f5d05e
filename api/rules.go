package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
	"github.com/vanth-io/vanth/host"
)

// Rules are the streams and rules of a host. Errors wrap the host's sentinels,
// and their sentences are shown to clients. A text is lent for the call: what is
// kept of it is copied. What ends in JSON is compact and in eKuiper's keys.
type Rules interface {
	CreateStream(sql string) (name string, err error)
	ReplaceStream(name, sql string) error
	// DropStream fails with host.ErrInUse while rules read the stream, unless it
	// is forced.
	DropStream(name string, force bool) error
	Streams() []string
	StreamJSON(name string) ([]byte, error)

	Create(text []byte) (id string, err error)
	Update(id string, text []byte) error
	Delete(id string) error
	Start(id string) error
	Stop(id string) error
	Restart(id string) error
	// Text is the definition as it was sent.
	Text(id string) ([]byte, error)
	ListJSON() []byte
	StatusJSON(id string) ([]byte, error)
	StatusesJSON() []byte
	TopoJSON(id string) ([]byte, error)
	Explain(id string) (string, error)
	Validate(text []byte) (streams []string, err error)
}

// ruleRoutes are those of streams and rules.
func ruleRoutes() []route {
	return []route{
		{"GET", "/streams", listStreams, "the names of the streams", safe | ekuiper},
		{"POST", "/streams", createStream, "create a stream by its statement", ekuiper},
		{"GET", "/streams/{name}", describeStream, "one stream", safe | ekuiper},
		{"PUT", "/streams/{name}", replaceStream, "give a stream another statement", ekuiper},
		{"DELETE", "/streams/{name}", dropStream, "drop a stream", ekuiper},

		{"GET", "/rules", listRules, "every rule with its state", safe | ekuiper},
		{"POST", "/rules", createRule, "create a rule", ekuiper},
		// Functions are asked whether they take their arguments: no page of another
		// origin has them called.
		{"POST", "/rules/validate", validateRule, "compile a rule and do nothing with it", runs | ekuiper},
		{"GET", "/rules/status/all", ruleStatuses, "the state of every rule", safe | ekuiper},
		{"GET", "/rules/{name}", describeRule, "the definition of a rule", safe | ekuiper},
		{"PUT", "/rules/{name}", updateRule, "put another definition in a rule's place, or create it", ekuiper},
		{"DELETE", "/rules/{name}", deleteRule, "stop and forget a rule", ekuiper},
		{"POST", "/rules/{name}/start", startRule, "start a rule", ekuiper},
		{"POST", "/rules/{name}/stop", stopRule, "stop a rule", ekuiper},
		{"POST", "/rules/{name}/restart", restartRule, "stop and start a rule", ekuiper},
		{"GET", "/rules/{name}/status", ruleStatus, "the state and counters of a rule", safe | ekuiper},
		{"GET", "/v2/rules/{name}/status", ruleStatusCompact, "the same, on one line", safe | ekuiper},
		{"GET", "/rules/{name}/topo", ruleTopo, "the topology of a rule", safe | ekuiper},
		{"GET", "/rules/{name}/explain", explainRule, "the topology of a rule in words", safe | ekuiper},
	}
}

// asked reads the id of the path.
func asked(r *request) (string, error) {
	id := string(r.name)
	if err := host.CheckName(id); err != nil {
		return "", undefined(err.Error())
	}
	return id, nil
}

// worded puts an error into eKuiper's form, with a code and after what, which is
// not said again where the error begins with it. A host that closes answers in
// our words.
func worded(what string, code int, err error) error {
	if judge(err) == problemClosing {
		return err
	}
	text := err.Error()
	if what != "" && !strings.HasPrefix(text, what+": ") {
		text = what + ": " + text
	}
	return &ekuiperError{code, text}
}

// missing is worded for what eKuiper answers 404 to where it is not there.
func missing(what string, err error) error {
	if errors.Is(err, host.ErrNotFound) {
		return worded(what, codeNotFound, err)
	}
	return worded(what, codeUndefined, err)
}

// answer answers with JSON.
func (r *request) answer(b []byte) error {
	r.out = append(r.out[:0], b...)
	return r.json()
}

// answerText answers with JSON that eKuiper calls text.
func (r *request) answerText(b []byte) error {
	r.write(fasthttp.StatusOK, contentText, b)
	return nil
}

// statement reads {"sql":"..."}.
func (s *Server) statement(r *request) (string, error) {
	if err := s.readBody(r); err != nil {
		return "", err
	}
	// The type's name is in the sentences of encoding/json, and so in eKuiper's.
	type statementDescriptor struct {
		SQL string `json:"sql"`
	}
	var v statementDescriptor
	if err := json.NewDecoder(bytes.NewReader(r.in)).Decode(&v); err != nil {
		return "", undefined("Invalid body: Error decoding the statement descriptor: " + err.Error())
	}
	return v.SQL, nil
}

func listStreams(s *Server, r *request) error {
	r.out = append(r.out[:0], '[')
	for i, name := range s.opts.Rules.Streams() {
		if i > 0 {
			r.out = append(r.out, ',')
		}
		r.out = appendString(r.out, name)
	}
	r.out = append(r.out, ']')
	return r.json()
}

// streaming begins what is said of a statement that is refused.
const streaming = "Stream command error"

func createStream(s *Server, r *request) error {
	sql, err := s.statement(r)
	if err != nil {
		return err
	}
	name, err := s.opts.Rules.CreateStream(sql)
	if err != nil {
		return worded(streaming, codeStream, err)
	}
	return r.text(fasthttp.StatusCreated, "Stream "+name+" is created.")
}

// describeStream answers 400 for a stream that is not there, as eKuiper does.
func describeStream(s *Server, r *request) error {
	name, err := asked(r)
	if err != nil {
		return err
	}
	b, err := s.opts.Rules.StreamJSON(name)
	if err != nil {
		return worded("describe stream error", codeStream, err)
	}
	return r.answer(b)
}

func replaceStream(s *Server, r *request) error {
	name, err := asked(r)
	if err != nil {
		return err
	}
	sql, err := s.statement(r)
	if err != nil {
		return err
	}
	if err := s.opts.Rules.ReplaceStream(name, sql); err != nil {
		return worded(streaming, codeStream, err)
	}
	return r.text(fasthttp.StatusOK, "Stream "+name+" is replaced.")
}

func dropStream(s *Server, r *request) error {
	name, err := asked(r)
	if err != nil {
		return err
	}
	force, _ := strconv.ParseBool(string(r.ctx.QueryArgs().Peek("force")))
	err = s.opts.Rules.DropStream(name, force)
	switch {
	case errors.Is(err, host.ErrInUse):
		return worded("", codeUndefined, err)
	case errors.Is(err, host.ErrNotFound):
		return worded("delete stream error", codeNotFound, err)
	case err != nil:
		return worded("delete stream error", codeStream, err)
	}
	return r.text(fasthttp.StatusOK, "Stream "+name+" is dropped.")
}

func listRules(s *Server, r *request) error { return r.answer(s.opts.Rules.ListJSON()) }

func createRule(s *Server, r *request) error {
	if err := s.readBody(r); err != nil {
		return err
	}
	id, err := s.opts.Rules.Create(r.in)
	if err != nil {
		return worded("", planned(r.in, err), err)
	}
	return r.text(fasthttp.StatusCreated, "Rule "+id+" was created successfully.")
}

// planned is the code for a definition that is refused: eKuiper has one for what
// the plan of SQL lacks, and none for graphs.
func planned(text []byte, err error) int {
	var v struct{ SQL string }
	lacks := (errors.Is(err, host.ErrNotFound) || errors.Is(err, host.ErrUnavailable)) &&
		!errors.Is(err, host.ErrInvalid) // a statement that names what is not there
	if lacks && json.Unmarshal(text, &v) == nil && v.SQL != "" {
		return codeExecutor
	}
	return codeUndefined
}

func updateRule(s *Server, r *request) error {
	id, err := asked(r)
	if err != nil {
		return err
	}
	if err := s.readBody(r); err != nil {
		return err
	}
	if err := s.opts.Rules.Update(id, r.in); err != nil {
		return worded("Update rule error", planned(r.in, err), err)
	}
	return r.text(fasthttp.StatusOK, "Rule "+id+" was updated successfully.")
}

// deleteRule answers 400 for a rule that is not there, as eKuiper does.
func deleteRule(s *Server, r *request) error {
	id, err := asked(r)
	if err != nil {
		return err
	}
	if err := s.opts.Rules.Delete(id); err != nil {
		return worded("Delete rule error", codeUndefined, err)
	}
	return r.text(fasthttp.StatusOK, "Rule "+id+" is dropped.")
}

// act runs one of start, stop and restart.
func (r *request) act(what string, do func(id string) error, done string) error {
	id, err := asked(r)
	if err != nil {
		return err
	}
	if err := do(id); err != nil {
		return missing(what, err)
	}
	return r.text(fasthttp.StatusOK, "Rule "+id+" was "+done)
}

func startRule(s *Server, r *request) error {
	return r.act("start rule error", s.opts.Rules.Start, "started")
}

func stopRule(s *Server, r *request) error {
	return r.act("stop rule error", s.opts.Rules.Stop, "stopped.")
}

func restartRule(s *Server, r *request) error {
	return r.act("restart rule error", s.opts.Rules.Restart, "restarted")
}

// tell answers with what is known of the rule of the path.
func (r *request) tell(what string, know func(id string) ([]byte, error), write func([]byte) error) error {
	id, err := asked(r)
	if err != nil {
		return err
	}
	b, err := know(id)
	if err != nil {
		return missing(what, err)
	}
	return write(b)
}

func describeRule(s *Server, r *request) error {
	return r.tell("Describe rule error", s.opts.Rules.Text, r.answer)
}

const asking = "get rule status error"

func ruleStatusCompact(s *Server, r *request) error {
	return r.tell(asking, s.opts.Rules.StatusJSON, r.answerText)
}

func ruleStatus(s *Server, r *request) error {
	return r.tell(asking, s.opts.Rules.StatusJSON, func(b []byte) error {
		var out bytes.Buffer
		if err := json.Indent(&out, b, "", "  "); err != nil {
			return err
		}
		return r.answer(out.Bytes())
	})
}

func ruleStatuses(s *Server, r *request) error { return r.answer(s.opts.Rules.StatusesJSON()) }

func ruleTopo(s *Server, r *request) error {
	return r.tell("get rule topo error", s.opts.Rules.TopoJSON, r.answer)
}

func explainRule(s *Server, r *request) error {
	know := func(id string) ([]byte, error) {
		text, err := s.opts.Rules.Explain(id)
		return []byte(text), err
	}
	return r.tell("explain rules error", know, r.answerText)
}

// validateRule answers 422 with the plain reason, as eKuiper does.
func validateRule(s *Server, r *request) error {
	if err := s.readBody(r); err != nil {
		return err
	}
	streams, err := s.opts.Rules.Validate(r.in)
	switch {
	case err != nil && judge(err) == problemClosing:
		return err
	case err != nil:
		return r.text(fasthttp.StatusUnprocessableEntity, err.Error())
	}
	r.out = append(r.out[:0], `{"sources":[`...)
	for i, name := range streams {
		if i > 0 {
			r.out = append(r.out, ',')
		}
		r.out = appendString(r.out, name)
	}
	r.out = append(r.out, `],"valid":true}`...)
	return r.answerText(r.out)
}
