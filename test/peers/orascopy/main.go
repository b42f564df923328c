// Command orascopy copies an image or a graph with the oras-go library and prints the descriptor of its root as JSON.
//
//	orascopy [flags] SOURCE DESTINATION
//
// A reference is oci:DIR:TAG, oci:DIR@DIGEST, http://HOST:PORT/REPOSITORY:TAG or http://HOST:PORT/REPOSITORY@DIGEST.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

func main() {
	descriptor, err := run(context.Background(), os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "orascopy:", err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(descriptor); err != nil {
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) (ocispec.Descriptor, error) {
	flags := flag.NewFlagSet("orascopy", flag.ContinueOnError)
	extended := flags.Bool("extended", false, "copy what refers to the node too")
	platform := flags.String("platform", "", "copy this platform (os/arch) alone")
	username := flags.String("username", "", "user name at both registries")
	password := flags.String("password", "", "password at both registries")
	if err := flags.Parse(arguments); err != nil {
		return ocispec.Descriptor{}, err
	}
	if flags.NArg() != 2 || (*extended && *platform != "") {
		return ocispec.Descriptor{}, errors.New("usage: orascopy [--extended | --platform OS/ARCH] SOURCE DESTINATION")
	}
	credential := auth.Credential{Username: *username, Password: *password}
	source, from, err := open(flags.Arg(0), credential)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	destination, to, err := open(flags.Arg(1), credential)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if *extended {
		return oras.ExtendedCopy(ctx, source, from, destination, to, oras.DefaultExtendedCopyOptions)
	}
	options := oras.DefaultCopyOptions
	if *platform != "" {
		options.WithTargetPlatform(parsePlatform(*platform))
	}
	return oras.Copy(ctx, source, from, destination, to, options)
}

// open returns the target that a reference names, and the tag or digest in it.
func open(reference string, credential auth.Credential) (oras.GraphTarget, string, error) {
	if rest, ok := strings.CutPrefix(reference, "oci:"); ok {
		name, node, err := split(rest)
		if err != nil {
			return nil, "", err
		}
		store, err := oci.New(name)
		return store, node, err
	}
	rest, ok := strings.CutPrefix(reference, "http://")
	if !ok {
		return nil, "", fmt.Errorf("%s is neither oci:… nor http://…", reference)
	}
	name, node, err := split(rest)
	if err != nil {
		return nil, "", err
	}
	repository, err := remote.NewRepository(name)
	if err != nil {
		return nil, "", err
	}
	repository.PlainHTTP = true
	if credential != auth.EmptyCredential {
		repository.Client = &auth.Client{
			Credential: auth.StaticCredential(repository.Reference.Registry, credential),
		}
	}
	return repository, node, nil
}

// split cuts a reference into the part before its tag or digest, and that tag or digest.
func split(reference string) (name, node string, err error) {
	if name, digest, ok := strings.Cut(reference, "@"); ok {
		return name, digest, nil
	}
	colon := strings.LastIndex(reference, ":")
	if colon <= strings.LastIndex(reference, "/") {
		return "", "", fmt.Errorf("%s has no tag and no digest", reference)
	}
	return reference[:colon], reference[colon+1:], nil
}

func parsePlatform(text string) *ocispec.Platform {
	parts := append(strings.SplitN(text, "/", 3), "", "")
	return &ocispec.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
}
