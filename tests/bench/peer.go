// What people write in Go: net/http, signed calls (V3) with keep-alive. One peer of the benchmark.
//
// Reads "instance serial" lines from stdin, makes COUNT calls of DescribeSAGDeviceInfo after a warm-up, and prints
// the CPU time that they took as JSON.
//
// usage: peer URL COUNT CONCURRENCY WARM_UP <pairs
package main

import (
	"bufio"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	action        = "DescribeSAGDeviceInfo"
	version       = "2018-03-13"
	algorithm     = "ACS3-HMAC-SHA256"
	signedHeaders = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version"
)

var (
	keyID     = os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_ID")
	keySecret = []byte(os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET"))
	emptyHash = hexHash("")
)

type pair struct{ instance, serial string }

type deviceInfo struct {
	RequestID       string `json:"RequestId"`
	Code            string
	Version         string
	ControllerState string
	VpnState        string
	SynStatus       string
}

func hexHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func newRequest(base *url.URL, p pair) (*http.Request, error) {
	// url.Values.Encode sorts; its only difference from RFC 3986 here is the plus for a space.
	query := strings.ReplaceAll(url.Values{
		"RegionId":  {"cn-shanghai"},
		"SmartAGId": {p.instance},
		"SmartAGSn": {p.serial},
	}.Encode(), "+", "%20")
	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	date, nonceText := time.Now().UTC().Format("2006-01-02T15:04:05Z"), hex.EncodeToString(nonce)
	canonical := "POST\n/\n" + query + "\n" +
		"host:" + base.Host + "\nx-acs-action:" + action + "\nx-acs-content-sha256:" + emptyHash + "\nx-acs-date:" + date +
		"\nx-acs-signature-nonce:" + nonceText + "\nx-acs-version:" + version + "\n\n" + signedHeaders + "\n" + emptyHash
	mac := hmac.New(sha256.New, keySecret)
	mac.Write([]byte(algorithm + "\n" + hexHash(canonical)))
	request, err := http.NewRequest("POST", base.String()+"?"+query, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("x-acs-action", action)
	request.Header.Set("x-acs-version", version)
	request.Header.Set("x-acs-date", date)
	request.Header.Set("x-acs-signature-nonce", nonceText)
	request.Header.Set("x-acs-content-sha256", emptyHash)
	request.Header.Set("Authorization", algorithm+" Credential="+keyID+",SignedHeaders="+signedHeaders+",Signature="+hex.EncodeToString(mac.Sum(nil)))
	return request, nil
}

func call(client *http.Client, base *url.URL, p pair) error {
	request, err := newRequest(base, p)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var info deviceInfo
	if err := json.Unmarshal(body, &info); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || info.RequestID == "" || info.Version == "" {
		return fmt.Errorf("HTTP %d: %s", response.StatusCode, body)
	}
	return nil
}

// run makes count calls, `concurrency` at a time, and gives the first error.
func run(client *http.Client, base *url.URL, pairs []pair, count, concurrency int) error {
	var next int64
	var wg sync.WaitGroup
	errs := make(chan error, concurrency)
	for i := 0; i < concurrency; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				n := int(atomic.AddInt64(&next, 1)) - 1
				if n >= count {
					return
				}
				if err := call(client, base, pairs[n%len(pairs)]); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func main() {
	if len(os.Args) != 5 {
		fail(fmt.Errorf("usage: peer URL COUNT CONCURRENCY WARM_UP"))
	}
	base, err := url.Parse(os.Args[1])
	fail(err)
	var numbers [3]int
	for i := range numbers {
		numbers[i], err = strconv.Atoi(os.Args[i+2])
		fail(err)
	}
	count, concurrency, warmUp := numbers[0], numbers[1], numbers[2]
	var pairs []pair
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) == 2 {
			pairs = append(pairs, pair{f[0], f[1]})
		}
	}
	client := &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{MaxIdleConns: concurrency, MaxIdleConnsPerHost: concurrency},
	}
	fail(run(client, base, pairs, warmUp, concurrency))
	cpuBefore, began := cpu(), time.Now()
	fail(run(client, base, pairs, count, concurrency))
	fail(json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"calls": float64(count), "cpu_s": cpu() - cpuBefore, "wall_s": time.Since(began).Seconds(),
	}))
}
