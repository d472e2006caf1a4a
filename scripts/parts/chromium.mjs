import { aptInstall } from './apt.mjs';

/** The browser that the page is tested in. */
export const chromium = {
  name: 'chromium',
  title: 'Chromium',
  lane: 'download',
  variable: 'SPARKLE_CHROMIUM',
  programs: ['chromium', 'chromium-browser', 'google-chrome'],
  oldest: '120',
  asks: { pattern: /^(?:Chromium|Google Chrome) (\d[\d.]*)/m },
  howToGet:
    'on Debian `apt-get install chromium` (as root `npm run parts -- chromium` does it); on macOS `brew install --cask ' +
    'chromium`; elsewhere install Chromium or Chrome and put it on PATH or its path into SPARKLE_CHROMIUM',
  installOnMachine: ({ log }) => aptInstall({ name: 'chromium', log }),
};
