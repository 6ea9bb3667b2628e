"""Events: statements in words about a series, with the steps that they concern."""

from tslm.data.events.disturbances import without_disturbances as without_disturbances
from tslm.data.events.reading import Reading as Reading
from tslm.data.events.reading import read as read
