import { project } from '../../jest.preset.mjs';

export default project('message', import.meta.dirname);
