using System.Diagnostics.CodeAnalysis;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The descriptors of a real device, as they were recorded, checked for what chapter 9 asks of them.</summary>
/// <remarks>
/// <para>A recording is what Linux shows in a file <c>descriptors</c>: the device descriptor and all configurations.
/// Behind it may stand, in any order, a device qualifier, configurations at the other speed, strings from index 0 on,
/// and the capabilities (BOS).</para>
/// <para>Less will do. A device descriptor alone is a device that can be asked who it is, and not be configured. For a
/// configuration alone, or the report descriptor of a human interface device, the rest is made up.</para>
/// </remarks>
public sealed class RecordedDescriptors
{
    private readonly byte[][] _hidReports;

    internal RecordedDescriptors(DescriptorBytes bytes, IReadOnlyList<byte[]> hidReports)
    {
        Descriptors = DescriptorSet.Verbatim(bytes);
        Speed = RecordedSpeed.Of(Descriptors.Device, bytes.Configurations);
        HidInterfaces = bytes.Configurations.Count == 0 ? [] : HidInterface.FindAll(bytes.Configurations[0]);
        _hidReports = [.. hidReports];
    }

    /// <summary>The descriptors, byte by byte as they were recorded.</summary>
    public DescriptorSet Descriptors { get; }

    /// <summary>The fastest speed that nothing in them rules out.</summary>
    public UsbSpeed Speed { get; }

    /// <summary>The human interfaces of the first configuration, in their order.</summary>
    internal IReadOnlyList<HidInterface> HidInterfaces { get; }

    /// <summary>Reads a recording.</summary>
    /// <param name="bytes">The recording.</param>
    /// <param name="hidReports">Report descriptors, the first one for the first human interface of the first configuration; there may be fewer than interfaces.</param>
    /// <param name="recorded">What was read.</param>
    /// <param name="problem">At which byte it makes no sense, and why; empty where it makes sense.</param>
    public static bool TryRead(
        ReadOnlySpan<byte> bytes, IReadOnlyList<byte[]> hidReports, [NotNullWhen(true)] out RecordedDescriptors? recorded, out string problem)
    {
        recorded = null;
        problem = "";
        DescriptorBytes? read = HasHead(bytes, DescriptorType.Device, DeviceDescriptor.Size) || HasHead(bytes, DescriptorType.Configuration, ConfigurationDescriptor.Size)
            ? new DescriptorReader(bytes.ToArray()).Read(out problem)
            : null;
        if (read is null && problem.Length == 0)
        {
            if (!HidReportForm.TryRead(bytes, out HidReportForm? form, out string refusal))
            {
                problem = $"Byte 0: this begins neither as a device descriptor (12 01) nor as a configuration (09 02), and is no report descriptor either. {refusal}";
                return false;
            }

            (read, hidReports) = (MadeUp.AroundReport(bytes.Length, form!), [bytes.ToArray()]);
        }

        if (read is null)
            return false;
        RecordedDescriptors candidate = new(read, hidReports);
        problem = candidate.ReportProblem();
        if (problem.Length != 0)
            return false;
        recorded = candidate;
        return true;
    }

    /// <summary>The report descriptor of an interface; empty where it is not known.</summary>
    internal ReadOnlySpan<byte> HidReportOf(int number)
    {
        for (int at = 0; at < HidInterfaces.Count && at < _hidReports.Length; at++)
        {
            if (HidInterfaces[at].Number == number)
                return _hidReports[at];
        }

        return default;
    }

    private static bool HasHead(ReadOnlySpan<byte> bytes, DescriptorType type, int length) =>
        bytes.Length >= 2 && bytes[0] == length && bytes[1] == (byte)type;

    // What is wrong with the report descriptors, or nothing.
    private string ReportProblem()
    {
        if (_hidReports.Length > HidInterfaces.Count)
            return $"{_hidReports.Length} report descriptors are given, and the device has {HidInterfaces.Count} human interfaces.";
        for (int at = 0; at < _hidReports.Length; at++)
        {
            if (_hidReports[at].Length != HidInterfaces[at].ReportLength)
                return $"Report descriptor {at + 1} has {_hidReports[at].Length} bytes; interface {HidInterfaces[at].Number} says that it has {HidInterfaces[at].ReportLength}.";
            if (!HidReportForm.TryRead(_hidReports[at], out _, out string problem))
                return problem;
        }

        return "";
    }
}
