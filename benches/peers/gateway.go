// A grpc-gateway in front of the service whose address is its argument. It prints its own address.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"

	"gateway/approvals"

	"github.com/grpc-ecosystem/grpc-gateway/runtime"
	"google.golang.org/grpc"
)

func main() {
	mux := runtime.NewServeMux()
	options := []grpc.DialOption{grpc.WithInsecure()}
	if err := approvals.RegisterApprovalServiceHandlerFromEndpoint(context.Background(), mux, os.Args[1], options); err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("address=%s\n", listener.Addr())
	panic(http.Serve(listener, mux))
}
