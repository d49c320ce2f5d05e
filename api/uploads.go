package api

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/valyala/fasthttp"
)

// An upload lies in Options.Uploads under its own name. Until all of it has come
// its name begins with unfinished, which no upload can be called; what a kill
// left of those goes at the next start.
const unfinished = ".new-"

// maxFile bounds the name of an upload, in bytes: file systems have this one.
const maxFile = 255

// uploadRoutes are those of uploads.
func uploadRoutes() []route {
	return []route{
		{"GET", "/config/uploads", listUploads, "the paths of the uploaded files", safe | ekuiper},
		{"POST", "/config/uploads", createUpload, "upload a file, in place of one of that name", ekuiper},
		{"DELETE", "/config/uploads/{name}", deleteUpload, "delete an uploaded file", ekuiper},
	}
}

// prepareUploads sweeps the folder, which need not be there, and returns its
// absolute path.
func prepareUploads(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return dir, nil
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), unfinished) {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return dir, err
}

// checkFile reports why name cannot be that of an upload.
func checkFile(name string) error {
	switch {
	case name == "":
		return errors.New("invalid body: name is required")
	case len(name) > maxFile:
		return fmt.Errorf("file name %.32q...: found %d bytes, expected at most %d", name, len(name), maxFile)
	case strings.HasPrefix(name, "."), strings.ContainsAny(name, `/\`), strings.ContainsFunc(name, unicode.IsControl), !utf8.ValidString(name):
		return fmt.Errorf("file name %q: expected one without a path, control characters and a dot at its beginning", name)
	}
	return nil
}

// listUploads answers with the files alone: the folder may hold others' folders.
func listUploads(s *Server, r *request) error {
	list, err := os.ReadDir(s.opts.Uploads)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return undefined("Error reading the file upload dir: " + err.Error())
	}
	r.out = append(r.out[:0], '[')
	for _, e := range list {
		if !e.Type().IsRegular() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if len(r.out) > 1 {
			r.out = append(r.out, ',')
		}
		r.out = appendString(r.out, filepath.Join(s.opts.Uploads, e.Name()))
	}
	r.out = append(r.out, ']')
	return r.json()
}

func deleteUpload(s *Server, r *request) error {
	name := string(r.name)
	const what = "Error deleting the file: "
	if err := checkFile(name); err != nil {
		return undefined(what + err.Error())
	}
	root, err := os.OpenRoot(s.opts.Uploads)
	if err == nil {
		defer root.Close()
		var info fs.FileInfo
		if info, err = root.Lstat(name); err == nil && info.IsDir() {
			err = errors.New("is a folder")
		} else if err == nil {
			err = root.Remove(name)
		}
	}
	if err != nil {
		return undefined(what + "remove " + filepath.Join(s.opts.Uploads, name) + ": " + reason(err))
	}
	return r.text(fasthttp.StatusOK, "ok")
}

// reason is what the system said, without the call and the path: os.Root has
// other ones than eKuiper's clients know.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return l.Err.Error()
	}
	return err.Error()
}

// createUpload takes JSON, or a form of which it reads the first field uploadFile.
func createUpload(s *Server, r *request) error {
	kind, params, _ := mime.ParseMediaType(string(r.ctx.Request.Header.ContentType()))
	var name string
	var err error
	switch {
	case kind == "application/json":
		name, err = s.uploadObject(r)
	case kind != "multipart/form-data":
		err = undefined(unparsable + "request Content-Type isn't multipart/form-data")
	default:
		name, err = s.uploadForm(r, params["boundary"])
	}
	if err != nil {
		return err
	}
	// eKuiper escapes it.
	return r.text(fasthttp.StatusCreated, html.EscapeString(filepath.Join(s.opts.Uploads, name)))
}

// uploadObject takes {"name","content"} or {"name","file"}, of which file, a URL,
// outweighs.
func (s *Server) uploadObject(r *request) (string, error) {
	if err := r.body.limit(s.opts.MaxBody); err != nil {
		return "", err
	}
	var v struct{ Name, Content, File string }
	if err := json.NewDecoder(&r.body).Decode(&v); err != nil {
		if judge(err) != problemInternal {
			return "", err
		}
		return "", undefined("Invalid body: Error decoding file json: " + err.Error())
	}
	err := checkFile(v.Name)
	if v.Content == "" && v.File == "" {
		err = errors.New("invalid body: content or FilePath is required")
	}
	if err != nil {
		return "", undefined("Invalid body: missing necessary field: " + err.Error())
	}
	err = s.keep(v.Name, func(w io.Writer) error {
		switch {
		case v.File == "":
			_, err := io.WriteString(w, v.Content)
			return err
		case s.opts.Fetch == nil:
			return errors.New("file: this server fetches no URLs: send the file in a form, or its content")
		}
		return s.opts.Fetch(s.calls, v.File, w)
	})
	return v.Name, uploading("Upload error: getFile has error: ", err)
}

const unparsable = "Error parse the multi part form: "

// uploadForm keeps the first file of a form that is called uploadFile.
func (s *Server) uploadForm(r *request, boundary string) (string, error) {
	if err := r.body.limit(s.opts.MaxPackage + maxFields); err != nil {
		return "", err
	}
	form := multipart.NewReader(&r.body, boundary)
	for {
		part, err := form.NextRawPart()
		if err == io.EOF { //nolint:errorlint // one that is wrapped is that of a form without an end
			return "", undefined("Error Retrieving the File: http: no such file")
		}
		if err != nil {
			return "", uploading(unparsable, err)
		}
		if part.FormName() == "uploadFile" && part.FileName() != "" {
			return s.uploadPart(form, part)
		}
	}
}

// uploadPart keeps a part under its own name, once the rest of the form has come.
func (s *Server) uploadPart(form *multipart.Reader, part *multipart.Part) (string, error) {
	name := part.FileName()
	if err := checkFile(name); err != nil {
		return "", undefined("Error creating the file: " + err.Error())
	}
	err := s.keep(name, func(w io.Writer) error {
		_, err := io.Copy(w, part)
		for err == nil {
			_, err = form.NextRawPart()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	})
	return name, uploading("Error writing the file: ", err)
}

// uploading puts an error into eKuiper's words, but what is not the file's fault.
func uploading(what string, err error) error {
	if err == nil {
		return nil
	}
	switch judge(err) {
	case problemClosing, problemBodySize, problemSlow, problemMalformed:
		return err
	}
	return undefined(what + err.Error())
}

// keep makes a file of what write writes, in one step and durable.
func (s *Server) keep(name string, write func(io.Writer) error) (err error) {
	if err := os.MkdirAll(s.opts.Uploads, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(s.opts.Uploads)
	if err != nil {
		return err
	}
	defer root.Close()
	temp := unfinished + rand.Text()
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			_ = root.Remove(temp) // has gone where the file got its name
		}
	}()
	if err := write(&bounded{f, s.opts.MaxPackage, s.opts.MaxPackage}); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := root.Rename(temp, name); err != nil {
		return fmt.Errorf("%s: %s", filepath.Join(s.opts.Uploads, name), reason(err))
	}
	folder, err := root.Open(".")
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// bounded writes no more than it may.
type bounded struct {
	io.Writer
	left, most int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, failf(problemBodySize, "file: found more than %d bytes, expected at most that; the setting is under limits", b.most)
	}
	b.left -= int64(len(p))
	return b.Writer.Write(p)
}
