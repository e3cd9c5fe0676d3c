// A Go host: a thousand goroutines make calls through one completion queue, which one goroutine drains from Go's own
// network poller. No thread of the library runs Go code and none of Go's is parked. Every call is told exactly once, also
// those cancelled by their context.
package main

/*
#cgo LDFLAGS: -lcognite
#include <stdlib.h>
#include <string.h>
#include <cognite/cognite.h>

static cognite_status go_call(cognite_client *client, const char *url, cognite_cancel *cancel, cognite_queue *queue, uint64_t tag) {
  cognite_request request = COGNITE_REQUEST_INIT;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  request.method = "GET";
  request.url = url;
  request.cancel = cancel;
  notify.queue = queue;
  notify.tag = tag;
  return cognite_client_call_async(client, &request, &notify, NULL);
}

static cognite_status go_next(cognite_queue *queue, cognite_completion *done) {
  memset(done, 0, sizeof *done);
  done->struct_size = sizeof *done;
  return cognite_queue_next(queue, 0, done, NULL);
}
*/
import "C"

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	goroutines = 1000
	each       = 10
)

type answer struct {
	status C.cognite_status
	body   string
}

type client struct {
	handle  *C.cognite_client
	queue   *C.cognite_queue
	mu      sync.Mutex
	waiting map[uint64]chan answer
	tag     uint64
	unknown int64 // told twice, or never asked for
}

func (c *client) get(ctx context.Context, url string) answer {
	text, cancel := C.CString(url), C.cognite_cancel_new()
	defer C.free(unsafe.Pointer(text))
	defer C.cognite_cancel_free(cancel)
	told := make(chan answer, 1)
	c.mu.Lock()
	c.tag++
	tag := c.tag
	c.waiting[tag] = told
	c.mu.Unlock()
	if status := C.go_call(c.handle, text, cancel, c.queue, C.uint64_t(tag)); status != C.COGNITE_OK {
		c.mu.Lock()
		delete(c.waiting, tag)
		c.mu.Unlock()
		return answer{status, ""}
	}
	select {
	case a := <-told:
		return a
	case <-ctx.Done():
		C.cognite_cancel_trigger(cancel)
		return <-told
	}
}

// Drains whenever the handle is readable, until the queue is closed and empty.
func (c *client) pump(done chan<- error) {
	// A duplicate, as the file closes what it has; the library's own handle is not to be closed.
	fd, err := syscall.Dup(int(C.cognite_queue_os_handle(c.queue)))
	if err != nil {
		done <- err
		return
	}
	file := os.NewFile(uintptr(fd), "queue")
	defer file.Close()
	raw, err := file.SyscallConn()
	if err != nil {
		done <- err
		return
	}
	closed := false
	for !closed && err == nil {
		err = raw.Read(func(uintptr) bool {
			got := false
			for {
				var d C.cognite_completion
				switch C.go_next(c.queue, &d) {
				case C.COGNITE_OK:
					got = true
					c.tell(&d)
				case C.COGNITE_ERR_EMPTY:
					return got
				default:
					closed = true
					return true
				}
			}
		})
	}
	done <- err
}

func (c *client) tell(d *C.cognite_completion) {
	a := answer{status: d.status}
	if d.response != nil {
		var n C.size_t
		body := C.cognite_response_body(d.response, &n)
		a.body = C.GoStringN(body, C.int(n))
	}
	C.cognite_response_free(d.response)
	C.cognite_error_free(d.error)
	c.mu.Lock()
	told, ok := c.waiting[uint64(d.tag)]
	delete(c.waiting, uint64(d.tag))
	c.mu.Unlock()
	if !ok {
		atomic.AddInt64(&c.unknown, 1)
		return
	}
	told <- a
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Query().Get("n")) })
	mux.HandleFunc("/hang", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	go http.Serve(listener, mux)

	config := C.CString(fmt.Sprintf(`{"client_name":"go","project":"p","base_url":"http://%s","credentials":{"token":"t"}}`, listener.Addr()))
	defer C.free(unsafe.Pointer(config))
	c := &client{waiting: map[uint64]chan answer{}}
	if C.cognite_client_load(config, C.strlen(config), &c.handle, nil) != C.COGNITE_OK || C.cognite_queue_new(0, &c.queue, nil) != C.COGNITE_OK {
		fmt.Println("no client or queue")
		os.Exit(1)
	}
	pumped := make(chan error, 1)
	go c.pump(pumped)

	var group sync.WaitGroup
	var good, cancelled, wrong int64
	for g := 0; g < goroutines; g++ {
		group.Add(1)
		go func(g int) {
			defer group.Done()
			for i := 0; i < each; i++ {
				if i == 5 && g%10 == 0 {
					ctx, stop := context.WithTimeout(context.Background(), time.Duration(g%30+1)*time.Millisecond)
					if a := c.get(ctx, "/hang"); a.status == C.COGNITE_ERR_CANCELLED {
						atomic.AddInt64(&cancelled, 1)
					} else {
						atomic.AddInt64(&wrong, 1)
					}
					stop()
					continue
				}
				n := fmt.Sprint(g*each + i)
				if a := c.get(context.Background(), "/ok?n="+n); a.status == C.COGNITE_OK && a.body == n {
					atomic.AddInt64(&good, 1)
				} else {
					atomic.AddInt64(&wrong, 1)
				}
				if g%100 == 0 {
					runtime.GC()
				}
			}
		}(g)
	}
	group.Wait()
	C.cognite_queue_close(c.queue)
	pumpErr := <-pumped
	C.cognite_queue_free(c.queue)
	C.cognite_client_free(c.handle)
	shut := C.cognite_shutdown(nil)

	passed, failed := 0, 0
	check := func(ok bool, what string) {
		if ok {
			passed++
		} else {
			failed++
			fmt.Println("FAILED:", what)
		}
	}
	check(good == goroutines*each-goroutines/10, fmt.Sprintf("%d good answers", good))
	check(cancelled == goroutines/10, fmt.Sprintf("%d cancelled", cancelled))
	check(wrong == 0 && c.unknown == 0 && len(c.waiting) == 0, fmt.Sprintf("%d wrong, %d unknown, %d never told", wrong, c.unknown, len(c.waiting)))
	check(pumpErr == nil, fmt.Sprint(pumpErr))
	check(shut == C.COGNITE_OK, "shutdown")
	fmt.Printf("go: %d goroutines, %d calls answered, %d cancelled by their context\n%d passed, %d failed\n", goroutines, good, cancelled, passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
