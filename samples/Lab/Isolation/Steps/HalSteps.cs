using Dma.Hal;

namespace Dma.Lab;

/// <summary>Steps of the software of a VM that behaves, by the policy of the VM.</summary>
internal static class HalSteps
{
    private static readonly GuestParameter _guest = new();
    private static readonly DeviceParameter _device = new();
    private static readonly NumberParameter _length = new("LENGTH", FrameAllocator.FrameSize, 1, 64, 512, FrameAllocator.FrameSize);

    /// <summary>The kinds.</summary>
    public static IReadOnlyList<StepVerb> All { get; } =
    [
        new("hal-map", 4, static (world, step) => Act(world, step, driver => driver.Map(LengthOf(step, 2), (DmaDirection)(3 - step[3]))),
            _guest, _device, _length, new ChoiceParameter("rw", "w", "r")),
        new("hal-unmap", 4, static (world, step) => Act(world, step, driver => driver.Unmap((int)step[2])), _guest, _device, new NumberParameter("INDEX", 255, 0, 1, 2)),
        new("hal-transfer", 8, static (world, step) => Act(world, step, driver => driver.Transfer(LengthOf(step, 3), isToDevice: step[2] == 0)),
            _guest, _device, new ChoiceParameter("to", "from"), _length),
    ];

    private static int LengthOf(StepArguments step, int index) => Math.Max(1, (int)step[index]);

    private static void Act(IsolationWorld world, StepArguments step, Func<HalDriver, Task> act)
    {
        if (step.Guest(0).Hal?.DriverOf(step.Device(1)) is { } driver)
        {
            world.Run(async () =>
            {
                await act(driver);
                return true;
            });
        }
    }
}
