# The server, its migrations and its commands: `docker run … keyturn migrate`, `… keyturn doctor` and so on.
FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund

FROM node:24-slim AS program
ENV NODE_ENV=production HOST=0.0.0.0 DATA_DIR=/data KEYS_DIR=/keys
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY config ./config
COPY deploy/health.ts ./deploy/health.ts
COPY migrations ./migrations
COPY src ./src
# For embedded storage alone; with DATABASE_URL nothing is written and the root file system may be read-only.
RUN install -d -m 700 -o 1000 -g 1000 /data /keys

# What a start compiles is kept: Node believes it for this user alone, on a processor that can do what this one can.
FROM program AS compiled
RUN install -d -o 1000 -g 1000 node_modules/.cache/keyturn
USER 1000:1000
RUN DATA_DIR=/tmp/data KEYS_DIR=/tmp/keys node src/main.ts serve & server=$!; \
  until node deploy/health.ts; do kill -0 "$server" && sleep 1 || exit 1; done; \
  kill "$server" && wait "$server"
USER 0:0
RUN chmod --recursive a+rX,a-w node_modules/.cache

FROM program
COPY --from=compiled /app/node_modules/.cache ./node_modules/.cache
# A number, so that an orchestrator can tell that it is not root.
USER 1000:1000
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["node", "deploy/health.ts"]
ENTRYPOINT ["node", "src/main.ts"]
CMD ["serve"]
