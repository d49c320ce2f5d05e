package api

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// audience is what a token must be made for.
const audience = "eKuiper"

// maxKey bounds a key file, in bytes.
const maxKey = 64 << 10

// keys checks tokens against the public keys of a folder. A key counts as soon
// as its file is there and no longer than that.
type keys struct {
	root   *os.Root
	parser *jwt.Parser

	mu     sync.Mutex // guards parsed
	parsed map[string]parsedKey
}

// parsedKey is a key with what its file looked like when it was read.
type parsedKey struct {
	key  *rsa.PublicKey
	time time.Time
	size int64
}

func openKeys(dir string) (*keys, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &keys{
		root:   root,
		parser: jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuedAt()),
		parsed: map[string]parsedKey{},
	}, nil
}

func (k *keys) close() { k.root.Close() }

// check judges the Authorization header; a refusal of "" is a yes, everything
// else eKuiper's sentence. A "Bearer " before the token is accepted, which
// eKuiper does not do.
func (k *keys) check(header []byte) (issuer, refusal string) {
	token := string(header)
	if scheme, rest, _ := strings.Cut(token, " "); strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimLeft(rest, " ")
	}
	if token == "" {
		return "", "missing_token"
	}
	var claims jwt.RegisteredClaims
	if _, err := k.parser.ParseWithClaims(token, &claims, k.find); err != nil {
		return "", "validate token error: " + err.Error()
	}
	if !slices.Contains(claims.Audience, audience) {
		return "", fmt.Sprintf("audience field should contain %s, but got %s", audience, []string(claims.Audience))
	}
	return claims.Issuer, ""
}

// find returns the key of a token's issuer. The issuer is compared with the
// names of the folder and never opened itself, so it cannot be a path.
func (k *keys) find(t *jwt.Token) (any, error) {
	issuer, err := t.Claims.GetIssuer()
	if err != nil || issuer == "" {
		return nil, errors.New("issuer field not exist in jwt payload")
	}
	dir, err := k.root.Open(".")
	if err != nil {
		return nil, errors.New("the key folder cannot be read")
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, errors.New("the key folder cannot be read")
	}
	slices.Sort(names) // of names that differ in case only, the same one every time
	i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, issuer) })
	if exact := slices.Index(names, issuer); exact >= 0 {
		i = exact
	}
	if i < 0 {
		return nil, fmt.Errorf("not found target key file %s in /etc/mgmt", issuer)
	}
	return k.load(names[i])
}

// load reads a key file, unless it is the one that was read before.
func (k *keys) load(name string) (*rsa.PublicKey, error) {
	info, err := k.root.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("key file %s is not a regular file", name)
	}
	k.mu.Lock()
	p, ok := k.parsed[name]
	k.mu.Unlock()
	if ok && p.time.Equal(info.ModTime()) && p.size == info.Size() {
		return p.key, nil
	}
	b, err := k.read(name)
	if err != nil {
		return nil, fmt.Errorf("key file %s cannot be read", name)
	}
	key, err := jwt.ParseRSAPublicKeyFromPEM(b)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", name, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.parsed[name] = parsedKey{key, info.ModTime(), info.Size()}
	return key, nil
}

func (k *keys) read(name string) ([]byte, error) {
	f, err := k.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxKey))
}
