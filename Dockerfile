# One image for all of our processes; docker-compose.yml and the deployments name the command of each.
# The version of Node is that of the package `node` in package.json: test/docker-compose.test.ts holds the two together.
FROM node:24.21.0-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY patches patches
RUN npm ci --omit=dev
# What nothing in the image reads (about 360 MB of 590):
# - the package `node`, 189 MB: a Node for machines that have an older one, and this image is one already;
# - Temporal's native bridge for other systems, 113 MB: the SDK ships it for all five;
# - source maps and type declarations, 57 MB: for those who read or compile the packages.
RUN rm -r node_modules/node node_modules/.bin/node && \
    find node_modules/@temporalio/core-bridge/releases -mindepth 1 -maxdepth 1 ! -name "$(uname -m)-unknown-linux-gnu" -exec rm -r {} + && \
    find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete

FROM node:24.21.0-slim
# Temporal's client trusts the system's certificates, and the slim image has none.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
WORKDIR /app
ENV NODE_ENV=production
COPY --from=dependencies /app/node_modules node_modules
COPY . .
RUN node workers/bundle-workflows.ts && rm -rf /root/.cache
USER node
CMD ["node", "api/main.ts"]
