// Starts the API reference. It stands in a file of its own because the page allows no inline script.
Scalar.createApiReference("#app", {
  url: "/api/openapi.json",
  // So that the shown commands can be pasted into a terminal.
  servers: [{ url: window.location.origin }],
  authentication: { preferredSecurityScheme: "bearer" },
  // Nothing is loaded from or sent to anyone but this server.
  withDefaultFonts: false,
  telemetry: false,
  agent: { disabled: true },
  mcp: { disabled: true },
  hideClientButton: true,
  showDeveloperTools: "never",
});
