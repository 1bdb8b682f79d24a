using System.CommandLine;
using Dma.Drivers;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.UsbDevice;
using Spectre.Console;

namespace Dma.Lab;

/// <summary><c>dma run direct-dma</c>: the scenario of <see cref="DirectDmaRun"/> and its report.</summary>
internal sealed class RunDirectDma : Verb
{
    private readonly Option<string?> _disk = new("--disk")
    {
        Description = "A disk image of any size, in whole sectors of 512 bytes. Without it, a small built-in FAT volume is read.",
        HelpName = "FILE",
    };

    private readonly Option<bool> _writable = new("--writable")
    {
        Description = "Let the guest write to the image; otherwise it is opened for reading only.",
    };

    private readonly ProfileOption _profile = new("The remapping hardware", "friendly");

    private readonly SeedOption _seed = new("What memory contents, places of buffers and attacked addresses come from");

    private readonly Option<string?> _dump = new("--dump")
    {
        Description = "Write the host's memory, as it is at the end, to a file: an image for 'dma audit'. A file that is there is replaced.",
        HelpName = "FILE",
    };

    private readonly CaptureOption _capture = new();

    private readonly JsonOption _json = new();

    /// <summary>The verb.</summary>
    public RunDirectDma(Terminal terminal)
        : base("direct-dma", "A guest's own drivers read a disk by direct DMA; then everybody tries to reach what is not theirs.", terminal) => Add(_disk, _writable, _profile, _seed, _dump, _capture, _json);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "run direct-dma",
        "run direct-dma --disk disk.img",
        "run direct-dma --profile hostile --seed 42 --json",
        "run direct-dma --dump memory.img",
        "run direct-dma --pcap bus.pcapng",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line)
    {
        if (line.GetValue(_writable) && line.GetValue(_disk) is null)
            return Terminal.Refuse("--writable is about a disk image: name it with --disk.");
        IDiskImage disk;
        if (line.GetValue(_disk) is not { } path)
            disk = new MemoryDiskImage(BuiltInDisk.Create(), isWritable: false);
        else if (DiskFile.TryOpen(path, line.GetValue(_writable), out FileDiskImage? file, out string problem))
            disk = file;
        else
            return Terminal.Refuse(problem);

        using (disk as IDisposable)
        {
            if (!_capture.TryCreate(line, out FileStream? capture, out string? refusal))
                return Terminal.Refuse(refusal);
            using (capture)
                return Run(line, disk, capture);
        }
    }

    private int Run(ParseResult line, IDiskImage disk, FileStream? capture)
    {
        DirectDmaReport report;
        string? dump = line.GetValue(_dump);
        string problem = "";
        ulong root = 0;
        using (ProgressLine progress = new(Terminal, "read", "MiB", 1 << 20))
        {
            DirectDmaOptions options = new()
            {
                Disk = disk,
                Profile = HardwareProfile.Named(line.GetRequiredValue(_profile)),
                Seed = line.GetValue(_seed),
                Capture = capture,
                Progress = progress.Report,
                Finished = host =>
                {
                    root = new RootTableAddress(new(host.Unit.Read(RegisterOffsets.RootTableAddress, 8))).Table.Value;
                    if (dump is not null)
                        _ = MemoryImage.TrySave(dump, host.Memory, out problem);
                },
            };
            try
            {
                report = new DirectDmaRun(options).Run();
            }
            catch (DriverException failure)
            {
                return Terminal.Refuse($"The guest could not read the disk: {failure.Message}");
            }
            catch (IOException failure) when (capture is not null)
            {
                return Terminal.Refuse($"The capture cannot be written: {failure.Message}");
            }
        }

        if (problem.Length != 0)
            return Terminal.Refuse($"The memory cannot be written: {problem}");
        if (line.GetValue(_json))
            Terminal.WriteJson(report, DirectDmaJson.Default.DirectDmaReport);
        else
            DirectDmaView.Write(Terminal.Output, report);
        if (dump is not null && !line.GetValue(_json))
            Terminal.Output.WriteLine($"The memory is in {dump}. What its tables reach: dma audit --memory {dump} --root 0x{root:x}");
        return report.IsClean ? ExitCode.Ok : ExitCode.Violation;
    }
}
