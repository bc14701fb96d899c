# One image per service, with the dependencies of that service only: docker build --build-arg SERVICE=gateway .
ARG NODE_IMAGE=node:22-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY apps apps
COPY libs libs
COPY tools tools
# Not `npm ci`: with npm 11 it can reject a lock file that lists other platforms' packages. No install script is needed.
RUN npm install --no-audit --no-fund --ignore-scripts --include=dev --include=optional
COPY nest-cli.json tsconfig.json tsconfig.build.json ./
COPY scripts scripts
RUN npm run build
ARG SERVICE
# More packages of apps/ in the same image: `cli` gives it the command hz.
ARG WITH=
RUN node scripts/collect-service.mjs /service "${SERVICE}" ${WITH} \
  && cd /service \
  && npm install --omit=dev --workspaces --no-audit --no-fund --ignore-scripts

FROM ${NODE_IMAGE}
ARG SERVICE
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /service .
# The services with tables have a second program, migrate.js.
RUN ln -s "dist/apps/${SERVICE}/src/main.js" main.js \
  && ln -s "dist/apps/${SERVICE}/src/migrate.js" migrate.js
USER node
ENTRYPOINT ["node", "--enable-source-maps"]
CMD ["main.js"]
