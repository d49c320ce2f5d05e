package fetch

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"time"
)

// Defaults of the zero Policy.
const (
	DefaultMaxBytes = 256 << 20
	DefaultTimeout  = 5 * time.Minute
)

// Policy is what the operator allows. The zero value is the strictest: public addresses only,
// no file URLs, the defaults above as bounds.
type Policy struct {
	MaxBytes      int64         // the limit of one package in bytes (limits.packageMiB); 0 or less: DefaultMaxBytes
	Timeout       time.Duration // of the whole transfer; 0 or less: DefaultTimeout
	PrivateNet    bool          // basic.enablePrivateNet: addresses that are not public may be dialed
	ExternalFiles bool          // basic.allowExternalFileAccess: file URLs outside Uploads may be read
	Uploads       string        // the absolute folder that file URLs may always read; empty: none
	TLS           *tls.Config   // roots and client certificates; nil: the system's. InsecureSkipVerify is ignored
}

func (p Policy) filled() Policy {
	if p.MaxBytes <= 0 {
		p.MaxBytes = DefaultMaxBytes
	}
	if p.Timeout <= 0 {
		p.Timeout = DefaultTimeout
	}
	return p
}

// Result describes the bytes that reached the destination.
type Result struct {
	Size   int64  // bytes
	SHA256 string // lower-case hex
}

// File copies what rawURL names to dst. The URL and the digest (64 hex digits, or empty: not
// compared) are judged before anything is opened or dialed. dst is neither synced nor closed.
func File(ctx context.Context, p Policy, rawURL, digest string, dst io.Writer) (Result, error) {
	p = p.filled()
	u, err := parse(rawURL)
	if err != nil {
		return Result{}, err
	}
	if err := checkDigest(digest); err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.Timeout,
		fmt.Errorf("transfer not done after %s: %w", p.Timeout, context.DeadlineExceeded))
	defer cancel()
	if u.Scheme != "file" {
		return download(ctx, p, addressJudge(p), u, digest, dst)
	}
	f, err := openFile(p, u.Path)
	if err != nil {
		return Result{}, err
	}
	defer f.Close()
	return copyFile(ctx, p, f, digest, dst)
}

// copyFile refuses by size before it reads; Copy counts all the same, for the file may grow.
func copyFile(ctx context.Context, p Policy, f *os.File, digest string, dst io.Writer) (Result, error) {
	info, err := f.Stat()
	if err != nil {
		return Result{}, err
	}
	if info.Size() > p.MaxBytes {
		return Result{}, tooLarge(info.Size(), p.MaxBytes)
	}
	return Copy(ctx, p.MaxBytes, f, digest, dst)
}

// Copy moves r to dst through the same limit and the same digest as File; it is for uploaded
// bodies. The context is looked at between two reads: a read that blocks is bounded by the owner
// of r. maxBytes of 0 or less means DefaultMaxBytes.
func Copy(ctx context.Context, maxBytes int64, r io.Reader, digest string, dst io.Writer) (Result, error) {
	if maxBytes <= 0 {
		maxBytes = DefaultMaxBytes
	}
	if err := checkDigest(digest); err != nil {
		return Result{}, err
	}
	sum := sha256.New()
	size, err := copyBytes(ctx, maxBytes, r, io.MultiWriter(sum, dst))
	if err != nil {
		return Result{}, err
	}
	got := sum.Sum(nil)
	if want, _ := hex.DecodeString(digest); digest != "" && string(want) != string(got) {
		return Result{}, refuse("sha256 mismatch: expected %x, got %x", want, got)
	}
	return Result{Size: size, SHA256: hex.EncodeToString(got)}, nil
}

func copyBytes(ctx context.Context, maxBytes int64, r io.Reader, dst io.Writer) (int64, error) {
	const (
		bufferBytes   = 64 << 10
		maxEmptyReads = 100
	)
	buf := make([]byte, bufferBytes)
	var size int64
	for empty := 0; ; {
		if ctx.Err() != nil {
			return size, context.Cause(ctx)
		}
		n, err := r.Read(buf)
		if int64(n) > maxBytes-size {
			return size, tooLarge(size+int64(n), maxBytes)
		}
		size += int64(n)
		if _, werr := dst.Write(buf[:n]); werr != nil {
			return size, fmt.Errorf("write package: %w", werr)
		}
		switch {
		case err == io.EOF:
			return size, nil
		case err != nil:
			return size, fmt.Errorf("read package: %w", err)
		case n > 0:
			empty = 0
		default:
			if empty++; empty == maxEmptyReads {
				return size, fmt.Errorf("read package: %w", io.ErrNoProgress)
			}
		}
	}
}

func tooLarge(found, limit int64) error {
	return refuse("package too large: found at least %d bytes, limit %d bytes; the setting is limits.packageMiB", found, limit)
}

func checkDigest(digest string) error {
	if digest == "" {
		return nil
	}
	if _, err := hex.DecodeString(digest); err != nil || len(digest) != hex.EncodedLen(sha256.Size) {
		return refuse("invalid sha256 %q: expected 64 hex digits", digest)
	}
	return nil
}
