import { project } from '../../jest.preset.mjs';

export default project('dev-env', import.meta.dirname);
