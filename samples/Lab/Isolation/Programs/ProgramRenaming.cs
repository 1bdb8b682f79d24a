namespace Dma.Lab;

/// <summary>Takes a VM or a device out of a program: steps that name it go, and numbers above it move down.</summary>
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
        program with { Devices = [.. program.Devices.Where((_, index) => index != device).Select(other => other.Beside == program.Devices[device].Name ? other with { Beside = null } : other)] },
        static number => number,
        number => Without(number, device));

    /// <summary>The program without the witness.</summary>
    public static WorldProgram WithoutWitness(WorldProgram program) => Rename(
        program,
        program with { HasWitness = false },
        number => number == program.Guests.Count ? -1 : number,
        number => number == program.Devices.Count ? -1 : number);

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
