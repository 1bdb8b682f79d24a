using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Random steps of a guest with a USB controller, and smaller programs of several guests.</summary>
internal static class DeviceSteps
{
    /// <summary>Any step.</summary>
    public static Gen<DeviceStep> Any { get; } = Gen.Frequency(
        (4, Step(DeviceUse.Ask, 0, 0)),
        (4, Step(DeviceUse.Read, 1, 40)),
        (4, Step(DeviceUse.Write, 1, 20_000)),
        (2, Step(DeviceUse.Cancel, 1, 5_000)),
        (2, Step(DeviceUse.ReadPeriodic, 0, 0)),
        (3, Step(DeviceUse.Wait, 1, 15_000)),
        (1, Step(DeviceUse.ResetPort, 0, 0)),
        (1, Step(DeviceUse.ResetController, 0, 0)),
        (1, Step(DeviceUse.Unplug, 0, 0)),
        (1, Step(DeviceUse.Crash, 0, 0)));

    /// <summary>Any step, and those of a device that streams.</summary>
    public static Gen<DeviceStep> WithStreams { get; } = Gen.Frequency(
        (25, Any),
        (2, Step(DeviceUse.Choose, 0, 2)),
        (3, Step(DeviceUse.Stream, 1, 4)));

    /// <summary>The programs of several guests with one guest, or one step, left out.</summary>
    public static IEnumerable<DeviceStep[][]> Smaller(DeviceStep[][] guests)
    {
        if (guests.Length > 1)
        {
            for (int guest = 0; guest < guests.Length; guest++)
                yield return [.. guests.Where((_, index) => index != guest)];
        }

        for (int guest = 0; guest < guests.Length; guest++)
        {
            for (int step = 0; step < guests[guest].Length; step++)
            {
                DeviceStep[] shorter = [.. guests[guest].Where((_, index) => index != step)];
                yield return [.. guests.Select((own, index) => index == guest ? shorter : own)];
            }
        }
    }

    private static Gen<DeviceStep> Step(DeviceUse use, int least, int most) => from amount in Gen.Choose(least, most) select new DeviceStep(use, amount);
}
