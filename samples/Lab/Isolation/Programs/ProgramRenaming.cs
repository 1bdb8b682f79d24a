namespace Dma.Lab;

/// <summary>Takes a VM or a device out of a program: steps that name it go, or name another one, and numbers above it move down.</summary>
internal static class ProgramRenaming
{
    /// <summary>The program without a VM.</summary>
    public static WorldProgram WithoutGuest(WorldProgram program, int guest) => Rename(
        program,
        program with { Guests = [.. program.Guests.Where((_, index) => index != guest)] },
        number => Without(number, guest),
        static number => number);

    /// <summary>The program without a device.</summary>
    public static WorldProgram WithoutDevice(WorldProgram program, int device) => Rename(
        program,
        program with { Devices = DevicesWithout(program, device) },
        static number => number,
        number => Without(number, device));

    /// <summary>The program in which a VM does what another one did, which has the larger memory of the two.</summary>
    /// <param name="program">The program.</param>
    /// <param name="guest">The VM that goes.</param>
    /// <param name="other">The one that stays; its number is the lower one.</param>
    public static WorldProgram WithMergedGuests(WorldProgram program, int guest, int other)
    {
        WorldGuestSpec larger = program.Guests[guest].Pages > program.Guests[other].Pages ? program.Guests[guest] : program.Guests[other];
        WorldGuestSpec merged = larger with { Name = program.Guests[other].Name };
        return Rename(
            program,
            program with { Guests = [.. program.Guests.Select((spec, index) => index == other ? merged : spec).Where((_, index) => index != guest)] },
            number => number == guest ? other : Without(number, guest),
            static number => number);
    }

    /// <summary>The program in which a device does what another one did.</summary>
    /// <param name="program">The program.</param>
    /// <param name="device">The device that goes.</param>
    /// <param name="other">The one that stays; its number is the lower one.</param>
    public static WorldProgram WithMergedDevices(WorldProgram program, int device, int other) => Rename(
        program,
        program with { Devices = DevicesWithout(program, device) },
        static number => number,
        number => number == device ? other : Without(number, device));

    /// <summary>The program without the witness.</summary>
    public static WorldProgram WithoutWitness(WorldProgram program) => Rename(
        program,
        program with { HasWitness = false },
        number => number == program.Guests.Count ? -1 : number,
        number => number == program.Devices.Count ? -1 : number);

    private static IReadOnlyList<WorldDeviceSpec> DevicesWithout(WorldProgram program, int device) =>
        [.. program.Devices.Where((_, index) => index != device).Select(other => other.Beside == program.Devices[device].Name ? other with { Beside = null } : other)];

    private static int Without(int number, int gone) => number == gone ? -1 : number > gone ? number - 1 : number;

    private static WorldProgram Rename(WorldProgram program, WorldProgram smaller, Func<int, int> guests, Func<int, int> devices)
    {
        List<WorldStep> steps = [];
        foreach (WorldStep step in program.Steps)
        {
            Argument[] arguments = [.. step.Arguments];
            bool isComplete = true;
            for (int index = 0; index < arguments.Length; index++)
            {
                Parameter parameter = step.Verb.ParameterOf(index);
                Place place = arguments[index].Place;
                int number = parameter switch
                {
                    GuestParameter => guests((int)arguments[index].Number),
                    DeviceParameter => devices((int)arguments[index].Number),
                    PlaceParameter when place.Kind == PlaceKind.Frame => guests(place.Who),
                    _ => 0,
                };
                isComplete &= number >= 0;
                if (parameter is GuestParameter or DeviceParameter && number >= 0)
                    arguments[index] = (ulong)number;
                else if (parameter is PlaceParameter && place.Kind == PlaceKind.Frame && number >= 0)
                    arguments[index] = place with { Who = number };
            }

            if (isComplete)
                steps.Add(step with { Arguments = arguments });
        }

        return smaller with { Steps = steps };
    }
}
