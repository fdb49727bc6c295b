# The worker as an image: build with `docker build -t voiced .`; deploy/README.md says how to run it.
# glibc and not musl: LiveKit Cloud runs images that stand on glibc only.

FROM rust:1.95-slim-bookworm AS build
# jemalloc is built with it.
RUN apt-get update && apt-get install --yes --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches stay with the builder; only what is copied out of them is in the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin voiced \
    && install -D -m 755 target/release/voiced /out/usr/bin/voiced \
    && install -D -m 644 LICENSE /out/usr/share/doc/voiced/LICENSE \
    && install -D -m 644 crates/speech/weights/LICENSE /out/usr/share/doc/voiced/LICENSE.silero-vad \
    && install -d -m 700 /out/var/lib/voiced

# A C library, root certificates and a user without rights: no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/usr /usr
COPY --from=build --chown=nonroot:nonroot /out/var/lib/voiced /var/lib/voiced
# One static program for the health check; called by this name it is nothing but wget.
COPY --from=busybox:1.37-musl /bin/busybox /usr/bin/wget

# Traces that wait and the record of sessions; without a volume they go with the container.
VOLUME /var/lib/voiced
WORKDIR /var/lib/voiced
# In a container nobody but the platform reaches the port. /sessions and /metrics stay closed until http.token is set.
ENV STATE_DIRECTORY=/var/lib/voiced \
    VOICED_HTTP__LISTEN=0.0.0.0:8081
EXPOSE 8081
STOPSIGNAL SIGTERM
# Alive, not ready: a worker that waits for LiveKit must not be killed for it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["/usr/bin/wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8081/healthz"]
ENTRYPOINT ["/usr/bin/voiced"]
CMD ["start"]
