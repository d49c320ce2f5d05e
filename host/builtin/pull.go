package builtin

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/vanth-io/vanth/host"
)

// pull asks a server again and again; each answer is a message.
type pull struct {
	*life
	request     request
	body        string
	interval    time.Duration
	incremental bool
	inBody      bool // the answer itself says whether it is good

	due  time.Time
	last time.Time // when the last answer was asked for
	sum  [sha256.Size]byte
}

func newPull(l *life, p *reader) host.Source {
	// Templates name the times of the pull; nothing else is known here.
	s := &pull{
		life: l, body: p.text("body", ""),
		interval:    p.limit("interval", 10*time.Second),
		incremental: p.boolean("incremental", false),
		inBody:      p.choice("responseType", "code", "code", "body") == "body",
	}
	p.props["url"] = p.text("url", "") + p.text("datasource", "")
	s.request = readRequest(l, p, "get")
	rest := strings.NewReplacer("{{.PullTime}}", "", "{{.LastPullTime}}", "")
	p.noTemplate("url", rest.Replace(s.request.url))
	p.noTemplate("body", rest.Replace(s.body))
	if s.body != "" && s.request.bodyType == "none" {
		s.request.bodyType = p.choice("bodyType", "json", "json", "text", "html", "xml", "javascript", "form", "binary", "none")
	}
	return s
}

// Open implements host.Source. The server is first asked by Next.
func (s *pull) Open(context.Context) error {
	return s.open(func() error {
		s.due = time.Now()
		if err := s.request.open(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		return nil
	})
}

// Next implements host.Source.
func (s *pull) Next(ctx context.Context) (host.Message, error) {
	if err := s.enter(); err != nil {
		return host.Message{}, err
	}
	defer s.leave()
	for {
		if err := s.wait(ctx, time.Until(s.due)); err != nil {
			return host.Message{}, err
		}
		now := time.Now()
		s.due = now.Add(s.interval)
		b, err := s.ask(ctx, now)
		if stopped := s.interrupted(ctx); stopped != nil && err != nil {
			s.due = now // this pull was given up, not done
			return host.Message{}, stopped
		}
		if err != nil {
			return host.Message{}, fmt.Errorf("%s: %w", s.name, err)
		}
		s.last = now
		if sum := sha256.Sum256(b); s.incremental {
			if sum == s.sum {
				continue
			}
			s.sum = sum
		}
		return host.Message{Value: b, Time: now}, nil
	}
}

func (s *pull) ask(ctx context.Context, now time.Time) ([]byte, error) {
	last := s.last
	if last.IsZero() {
		last = now
	}
	fill := strings.NewReplacer(
		"{{.PullTime}}", strconv.FormatInt(now.UnixMilli(), 10),
		"{{.LastPullTime}}", strconv.FormatInt(last.UnixMilli(), 10))
	ctx, cancel := s.bind(ctx, s.request.timeout)
	defer cancel()
	var body []byte
	if s.body != "" {
		body = []byte(fill.Replace(s.body))
	}
	b, _, err := s.request.do(ctx, fill.Replace(s.request.url), body, maxBytes)
	if err != nil || !s.inBody {
		return b, err
	}
	var said struct{ Code *json.Number }
	if err := json.Unmarshal(b, &said); err != nil || said.Code == nil {
		return nil, host.Errorf(host.ErrInvalid, "%s: found an answer without a number called code, expected one (property responseType)", shown(s.request.url))
	}
	if n, _ := said.Code.Int64(); n < 200 || n > 299 {
		return nil, unavailable("%s: found code %s in the answer, expected 2xx", shown(s.request.url), *said.Code)
	}
	return b, nil
}

// Close implements host.Source.
func (s *pull) Close(ctx context.Context) error {
	return s.close(ctx, func(context.Context) error { s.request.close(); return nil })
}

// form is a row as a form of HTML has it.
func form(name string, m map[string]any) ([]byte, error) {
	v := url.Values{}
	for k, x := range m {
		c, err := cell(name, x)
		if err != nil {
			return nil, err
		}
		v.Set(k, c)
	}
	return []byte(v.Encode()), nil
}
