package api_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/vanth-io/vanth/api"
)

// keyFile writes the public half of a fresh key.
func keyFile(t *testing.T, path string) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err == nil {
		err = os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, m jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	s, err := jwt.NewWithClaims(m, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAuth(t *testing.T) {
	outside := t.TempDir()
	dir := filepath.Join(outside, "mgmt")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	key := keyFile(t, filepath.Join(dir, "sample_key.pub"))
	strange := keyFile(t, filepath.Join(outside, "outside.pub"))
	if err := os.Symlink(filepath.Join(outside, "outside.pub"), filepath.Join(dir, "link.pub")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "junk.pub"), []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	k := newKit(t, api.Options{Auth: &api.Auth{Keys: dir}})

	claims := func(more ...any) jwt.MapClaims {
		c := jwt.MapClaims{"iss": "sample_key.pub", "aud": "eKuiper"}
		for i := 0; i < len(more); i += 2 {
			if c[more[i].(string)] = more[i+1]; more[i+1] == nil {
				delete(c, more[i].(string))
			}
		}
		return c
	}
	rs := jwt.SigningMethodRS256
	now := time.Now().Unix()
	pub, err := os.ReadFile(filepath.Join(dir, "sample_key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	const invalid = "validate token error: token has invalid claims: "
	const unverifiable = "validate token error: token is unverifiable: error while executing keyfunc: "
	for _, c := range []struct{ what, header, want string }{
		{"raw", sign(t, rs, key, claims()), ""},
		{"bearer", "Bearer " + sign(t, rs, key, claims()), ""},
		{"several audiences", sign(t, rs, key, claims("aud", []string{"x", "eKuiper"})), ""},
		{"case of the issuer", sign(t, rs, key, claims("iss", "SAMPLE_key.PUB")), ""},
		{"times", sign(t, rs, key, claims("exp", now+60, "nbf", now-60, "iat", now-60)), ""},
		{"none", "", "missing_token"},
		{"only bearer", "Bearer ", "missing_token"},
		{"garbage", "x", "validate token error: token is malformed: token contains an invalid number of segments"},
		{"audience", sign(t, rs, key, claims("aud", []string{"a", "b"})), "audience field should contain eKuiper, but got [a b]"},
		{"audience in another case", sign(t, rs, key, claims("aud", "ekuiper")), "audience field should contain eKuiper, but got [ekuiper]"},
		{"no audience", sign(t, rs, key, claims("aud", nil)), "audience field should contain eKuiper, but got []"},
		{"expired", sign(t, rs, key, claims("exp", now-60)), invalid + "token is expired"},
		{"early", sign(t, rs, key, claims("nbf", now+60)), invalid + "token is not valid yet"},
		{"from the future", sign(t, rs, key, claims("iat", now+60)), invalid + "token used before issued"},
		{"no issuer", sign(t, rs, key, claims("iss", nil)), unverifiable + "issuer field not exist in jwt payload"},
		{"unknown issuer", sign(t, rs, key, claims("iss", "nobody")), unverifiable + "not found target key file nobody in /etc/mgmt"},
		{"part of a name", sign(t, rs, key, claims("iss", "sample_key")), unverifiable + "not found target key file sample_key in /etc/mgmt"},
		{"path", sign(t, rs, strange, claims("iss", "../outside.pub")), unverifiable + "not found target key file ../outside.pub in /etc/mgmt"},
		{"link out of the folder", sign(t, rs, strange, claims("iss", "link.pub")), unverifiable + "key file link.pub is not a regular file"},
		{"junk", sign(t, rs, key, claims("iss", "junk.pub")), unverifiable + "key file junk.pub: invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key"},
		{"signature", sign(t, rs, strange, claims()), "validate token error: token signature is invalid: crypto/rsa: verification error"},
		{"RS512", sign(t, jwt.SigningMethodRS512, key, claims()), "validate token error: token signature is invalid: signing method RS512 is invalid"},
		{"PS256", sign(t, &jwt.SigningMethodRSAPSS{SigningMethodRSA: rs, Options: &rsa.PSSOptions{Hash: crypto.SHA256}}, key, claims()), "validate token error: token signature is invalid: crypto/rsa: verification error"},
		{"HS256 with the public key", sign(t, jwt.SigningMethodHS256, pub, claims()), "validate token error: token signature is invalid: signing method HS256 is invalid"},
		{"none algorithm", sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims()), "validate token error: token signature is invalid: signing method none is invalid"},
	} {
		r := k.do("GET", "/plugins/wasm", nil, "Authorization", c.header)
		t.Run(c.what, func(t *testing.T) {
			if c.want == "" {
				r.want(t, 200, js, "[]")
				return
			}
			r.want(t, 401, text, c.want+"\n")
		})
	}

	// Exempt are exactly / and /ping; 404 and 405 come first.
	for path, status := range map[string]int{
		"/": 200, "/ping": 200, "/nothing": 404, "/plugins/wasm/": 404,
		"/stop": 401, "/functions": 401, "/functions/x": 401, "/metrics": 401, "/openapi.yaml": 401, "/plugins/wasm/x": 401,
	} {
		if r := k.do("GET", path, nil); r.status != status {
			t.Errorf("%s: found %d, expected %d", path, r.status, status)
		}
	}
	if r := k.do("PATCH", "/plugins/wasm", nil); r.status != 405 {
		t.Errorf("found %d", r.status)
	}
	// A key counts as long as its file is there.
	token := sign(t, rs, key, claims())
	if err := os.Rename(filepath.Join(dir, "sample_key.pub"), filepath.Join(dir, "old")); err != nil {
		t.Fatal(err)
	}
	if r := k.do("GET", "/plugins/wasm", nil, "Authorization", token); r.status != 401 || !strings.Contains(r.body, "not found target key file") {
		t.Errorf("found %d %s", r.status, r.body)
	}
}

func TestAuthNeedsItsFolder(t *testing.T) {
	if _, err := api.New(nil, api.Options{Auth: &api.Auth{Keys: filepath.Join(t.TempDir(), "none")}}); err == nil {
		t.Error("a server without keys")
	}
}
