package api

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
	"github.com/vanth-io/vanth/host"
)

// Bounds of the fields of a form beside the package, in bytes: of one, and of all
// with what a form puts around them.
const (
	maxField  = 4 << 10
	maxFields = 64 << 10
)

// request reads what is to be installed: eKuiper's JSON, the package itself
// (application/zip), or a form that holds it. A package is not read here but by
// the host, straight from the connection. eKuiper takes any content type for
// JSON, and so what begins like an object is one whatever it is called. name is
// that of the path, "" for none; a body that names no plugin gets it.
func (c class) request(s *Server, r *request, name string) (host.Request, error) {
	kind, params, _ := mime.ParseMediaType(string(r.ctx.Request.Header.ContentType()))
	zipped := kind == "application/zip" || kind == "application/x-zip-compressed"
	form := kind == "multipart/form-data"
	stream := io.Reader(&r.body)
	var req host.Request
	var err error
	if zipped || form {
		most := s.opts.MaxPackage
		if form {
			most += maxFields
		}
		if err := r.body.limit(most); err != nil {
			return req, err
		}
		begun := bufio.NewReader(stream)
		stream = begun
		if beginsObject(begun) {
			zipped, form = false, false
		}
	}
	switch {
	case zipped:
		query := r.ctx.QueryArgs()
		req.ID.Name = string(query.Peek("name"))
		req.SHA256 = string(query.Peek("sha256"))
		for _, f := range query.PeekMulti("functions") {
			req.Functions = append(req.Functions, string(f))
		}
		req.Archive = stream
	case form:
		req, err = c.readForm(multipart.NewReader(stream, params["boundary"]))
	default:
		if err = r.body.limit(s.opts.MaxBody); err == nil {
			req, err = c.decode(stream)
		}
		if req.SHA256 == "" {
			req.SHA256 = s.sites.digest(req.URL)
		}
	}
	req.ID.Class = c.name
	if c.name != host.ClassFunctions {
		req.Functions = nil
	}
	if !c.native {
		req.ID.Name = strings.Trim(req.ID.Name, " ") // as eKuiper does
	}
	if req.ID.Name == "" {
		req.ID.Name = name
	}
	return req, err
}

// beginsObject reports whether the first character that is no white space is
// that of a JSON object, which neither an archive nor a form begins with. It
// takes nothing from b.
func beginsObject(b *bufio.Reader) bool {
	for n := 1; n <= b.Size(); n++ {
		begin, err := b.Peek(n)
		if err != nil {
			return false // whoever reads b meets it
		}
		if c := rune(begin[n-1]); !strings.ContainsRune(jsonSpace, c) {
			return c == '{'
		}
	}
	return false
}

// decode reads eKuiper's JSON as eKuiper does: names in any case, unknown ones
// ignored, only the first value.
func (c class) decode(body io.Reader) (host.Request, error) {
	// The types' names are in the sentences of encoding/json, and so in eKuiper's.
	type IOPlugin struct {
		Name       string   `json:"name"`
		File       string   `json:"file"`
		ShellParas []string `json:"shellParas"`
		SHA256     string   `json:"sha256"`
	}
	type FuncPlugin struct {
		IOPlugin
		Functions []string `json:"functions"`
	}
	var p FuncPlugin
	var v any = &p.IOPlugin
	if c.name == host.ClassFunctions {
		v = &p
	}
	if err := json.NewDecoder(body).Decode(v); err != nil {
		return host.Request{}, undecoded(c.words.one, err)
	}
	return host.Request{
		ID: host.ID{Name: p.Name}, URL: p.File, ShellParas: p.ShellParas, SHA256: p.SHA256, Functions: p.Functions,
	}, nil
}

// undecoded says that a body is not the JSON of what. What the body itself
// said stays as it is.
func undecoded(what string, err error) error {
	if _, own := err.(*failure); own { //nolint:errorlint // encoding/json passes a reader's error on as it is
		return err
	}
	return undefined("Invalid body: Error decoding the " + what + " json: " + err.Error())
}

// readForm reads the fields up to the package, which therefore stands last.
func (c class) readForm(form *multipart.Reader) (host.Request, error) {
	known := []string{"name", "sha256", "shellParas"}
	if c.name == host.ClassFunctions {
		known = append(known, "functions")
	}
	var req host.Request
	for {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			return req, failf(problemMalformed, "form: found no field file, expected the package in it")
		}
		if err != nil {
			return req, formFault(err)
		}
		field := part.FormName()
		if field == "file" || field == "uploadFile" {
			req.Archive = &lastPart{form, part}
			return req, nil
		}
		if !slices.Contains(known, field) {
			return req, failf(problemMalformed, "form: found field %.64q, expected %s and then file", field, strings.Join(known, ", "))
		}
		b, err := io.ReadAll(io.LimitReader(part, maxField+1))
		if err != nil {
			return req, formFault(err)
		}
		if len(b) > maxField {
			return req, failf(problemBodySize, "form: field %s: found more than %d bytes, expected at most that", field, maxField)
		}
		switch value := string(b); field {
		case "name":
			req.ID.Name = value
		case "sha256":
			req.SHA256 = value
		case "shellParas":
			req.ShellParas = append(req.ShellParas, value)
		case "functions":
			req.Functions = append(req.Functions, value)
		}
	}
}

// formFault keeps what the body itself said.
func formFault(err error) error {
	if judge(err) != problemInternal {
		return err
	}
	return failf(problemMalformed, "form: %v", err)
}

// lastPart is the package in a form. It fails when a field follows that would
// have had to be known before: a digest that comes late would go unchecked.
type lastPart struct {
	form *multipart.Reader
	part *multipart.Part
}

func (l *lastPart) Read(p []byte) (int, error) {
	n, err := l.part.Read(p)
	if err == nil {
		return n, nil
	}
	if !errors.Is(err, io.EOF) {
		return n, formFault(err)
	}
	switch next, err := l.form.NextRawPart(); {
	case errors.Is(err, io.EOF):
		return n, io.EOF
	case err != nil:
		return n, formFault(err)
	default:
		return n, failf(problemMalformed, "form: found field %.64q after the package, expected the package to be the last field", next.FormName())
	}
}

// openAPI serves the description of this API.
func openAPI(_ *Server, r *request) error {
	r.write(fasthttp.StatusOK, "application/yaml", openAPIDocument)
	return nil
}
