import { project } from '../../jest.preset.mjs';

export default project('history-checker', import.meta.dirname);
