// Command ggcrserve serves go-containerregistry's registry, with the referrers API, on a loopback port.
// Its first line of output is the address that it listens on.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	port := flag.Int("port", 0, "the port on 127.0.0.1, or 0 for any that is free")
	flag.Parse()
	if err := serve(*port); err != nil {
		fmt.Fprintln(os.Stderr, "ggcrserve:", err)
		os.Exit(1)
	}
}

func serve(port int) error {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	return http.Serve(listener, registry.New(
		registry.WithReferrersSupport(true),
		registry.Logger(log.New(io.Discard, "", 0)),
	))
}
