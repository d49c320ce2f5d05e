package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	vanth := flag.String("vanth", "build/vanth", "the binary")
	plugins := flag.String("plugins", "build/plugins", "the archives of the plugins geo, mirror and pysam")
	cities := flag.String("cities", "plugins/wasm/geo/testdata/cities.csv", "cities with known geohashes")
	flag.Parse()
	if err := run(*vanth, *plugins, *cities); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// say prints a step of the demo.
func say(format string, a ...any) { fmt.Printf("\n== "+format+"\n", a...) }

func run(vanth, plugins, citiesFile string) (err error) {
	cities, err := readCities(citiesFile)
	if err != nil {
		return err
	}
	home, err := os.MkdirTemp("", "vanth-demo-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()

	say("start the host in a temporary home")
	h, err := start(vanth, home)
	if err != nil {
		return err
	}
	defer func() { h.stop() }()

	say("install the plugin geo: one HTTP POST of its zip")
	if err := install(h, filepath.Join(plugins, "geo.zip")); err != nil {
		return err
	}
	say("call geohash for %d cities and compare with the table", len(cities))
	if err := check(h, cities); err != nil {
		return err
	}
	say("calls a second through HTTP, on %d cores that client and host share", runtime.NumCPU())
	if err := measure(h, cities); err != nil {
		return err
	}
	if err := programs(h, plugins); err != nil {
		return err
	}
	if err := flow(h, home, plugins); err != nil {
		return err
	}
	say("kill -9 the host, and start it again on the same home")
	h.kill()
	if h, err = start(vanth, home); err != nil {
		return err
	}
	if err := check(h, cities[:1]); err != nil {
		return err
	}
	if err := answer(h, "echo", `["here too"]`, `"here too"`); err != nil {
		return err
	}
	say("done; stopping the host and removing %s", home)
	return nil
}

// city is a row of the table.
type city struct {
	name    string
	call    []byte // {"args":[lat, lon, length]}
	row     string // [lat, lon, length]
	geohash string
}

func readCities(file string) ([]city, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	var list []city
	for _, r := range rows[1:] { // name, country, lat, lon, geohash
		row := fmt.Sprintf("[%s,%s,%d]", r[2], r[3], len(r[4]))
		list = append(list, city{r[0], []byte(`{"args":` + row + `}`), row, r[4]})
	}
	if len(list) < 100 {
		return nil, fmt.Errorf("%s: found %d cities, expected at least 100", file, len(list))
	}
	return list, nil
}

// post sends a body and returns the answer's, which must have the status.
func post(c *http.Client, url, contentType string, body io.Reader, status int) ([]byte, error) {
	resp, err := c.Post(url, contentType, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != status {
		return nil, fmt.Errorf("POST %s: %s: %s", url, resp.Status, b)
	}
	return b, nil
}

func install(h *hostProcess, plugin string) error {
	f, err := os.Open(plugin)
	if err != nil {
		return err
	}
	defer f.Close()
	began := time.Now()
	answer, err := post(http.DefaultClient, h.url+"/plugins/wasm?name=geo", "application/zip", f, http.StatusCreated)
	if err != nil {
		return err
	}
	fmt.Printf("   %s   (compiled and started in %v)\n", answer, time.Since(began).Round(time.Millisecond))
	return nil
}

// geohash calls the function once and returns its result.
func geohash(c *http.Client, h *hostProcess, call []byte) (string, error) {
	b, err := post(c, h.url+"/functions/geohash/call", "application/json", bytes.NewReader(call), http.StatusOK)
	if err != nil {
		return "", err
	}
	var answer struct{ Result string }
	if err := json.Unmarshal(b, &answer); err != nil {
		return "", fmt.Errorf("%s: %w", b, err)
	}
	return answer.Result, nil
}

func check(h *hostProcess, cities []city) error {
	for i, c := range cities {
		got, err := geohash(http.DefaultClient, h, c.call)
		if err != nil {
			return err
		}
		if got != c.geohash {
			return fmt.Errorf("geohash of %s is %s, want %s", c.name, got, c.geohash)
		}
		if i < 3 {
			fmt.Printf("   %s %s -> %s\n", c.name, c.row, got)
		}
	}
	fmt.Printf("   %d of %d are right\n", len(cities), len(cities))
	return nil
}

// span is how long each measurement takes.
const span = 2 * time.Second

func measure(h *hostProcess, cities []city) error {
	single, err := rate(func(c *http.Client, i int) (int, error) {
		city := cities[i%len(cities)]
		got, err := geohash(c, h, city.call)
		if err == nil && got != city.geohash {
			err = fmt.Errorf("geohash of %s is %s", city.name, got)
		}
		return 1, err
	})
	if err != nil {
		return err
	}
	fmt.Printf("   one call a request:     %9.0f calls/s\n", single)

	const rows = 1000
	var body, want strings.Builder
	for i := range rows {
		c := cities[i%len(cities)]
		body.WriteString(c.row + "\n")
		want.WriteString(`{"result":"` + c.geohash + "\"}\n")
	}
	batch, err := rate(func(c *http.Client, _ int) (int, error) {
		b, err := post(c, h.url+"/functions/geohash/batch", "application/x-ndjson", strings.NewReader(body.String()), http.StatusOK)
		if err == nil && string(b) != want.String() {
			err = fmt.Errorf("a batch has other answers than the table: %.200s", b)
		}
		return rows, err
	})
	if err != nil {
		return err
	}
	fmt.Printf("   %d calls a request:   %9.0f calls/s\n", rows, batch)
	return nil
}

// rate has a few clients work for a while and returns what they did a second.
func rate(work func(c *http.Client, i int) (int, error)) (float64, error) {
	clients := 2 * runtime.GOMAXPROCS(0)
	var done atomic.Int64
	errs := make([]error, clients)
	began := time.Now()
	var wg sync.WaitGroup
	for w := range clients {
		wg.Go(func() {
			c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
			defer c.CloseIdleConnections()
			for i := w; time.Since(began) < span; i += clients {
				n, err := work(c, i)
				if err != nil {
					errs[w] = err
					return
				}
				done.Add(int64(n))
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(began).Seconds(), errors.Join(errs...)
}

// lastLines keeps what the host said, for when it does not start.
func lastLines(r *bufio.Reader, address chan<- string) (said string) {
	for {
		line, err := r.ReadString('\n')
		said += line
		if _, rest, ok := strings.Cut(line, "address="); ok {
			url, _, _ := strings.Cut(rest, " ")
			address <- url
		}
		if err != nil {
			return said
		}
	}
}
