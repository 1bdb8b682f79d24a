using System.Diagnostics;
using System.Net.Sockets;

namespace Dma.Properties;

/// <summary>QEMU as a process: started with a remapping unit and two <c>edu</c> devices, reached by qtest, its memory a file.</summary>
/// <remarks>
/// The processor executes one instruction, which halts it; virtual time then jumps from timer to timer, so that the
/// 100 ms that a transfer of the device takes go by at once.
/// </remarks>
internal sealed class QemuProcess : IDisposable
{
    public const string Command = "qemu-system-x86_64";

    // The one that the rules about differences were made for.
    private const string Version = "7.2.";
    private const int StartMillisecondsMax = 20_000;
    private const int FirmwareBytes = 65536;
    private const int ResetVector = 0xFFF0;

    private readonly string _folder;
    private readonly Process _process;

    /// <summary>Starts one.</summary>
    /// <param name="unitProperties">The properties of <c>intel-iommu</c>.</param>
    /// <param name="memoryBytes">How much memory it has.</param>
    public QemuProcess(string unitProperties, ulong memoryBytes)
    {
        // Memory that two processes share is best kept in memory.
        string parent = Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath();
        _folder = Directory.CreateDirectory(Path.Combine(parent, $"dma-differential-{Guid.NewGuid():n}")).FullName;
        MemoryPath = Path.Combine(_folder, "memory");
        using (FileStream memory = File.Create(MemoryPath))
            memory.SetLength((long)memoryBytes);
        string firmware = Path.Combine(_folder, "firmware");
        File.WriteAllBytes(firmware, HaltingFirmware());
        string door = Path.Combine(_folder, "qtest");
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(door));
        listener.Listen();
        ProcessStartInfo start = new(Command, [
            "-nodefaults", "-no-user-config", "-display", "none",
            "-accel", "tcg", "-icount", "shift=0,sleep=off", "-bios", firmware,
            "-machine", "q35,memory-backend=memory,hpet=off,sata=off,smbus=off,vmport=off",
            "-object", $"memory-backend-file,id=memory,size={memoryBytes},mem-path={MemoryPath},share=on",
            "-qtest", $"unix:{door}", "-qtest-log", "/dev/null",
            "-device", $"intel-iommu,intremap=on,{unitProperties}",
            "-device", "edu,addr=04.0,dma_mask=0xffffffffffffffff",
            "-device", "edu,addr=05.0,dma_mask=0xffffffffffffffff",
        ])
        { RedirectStandardError = true, RedirectStandardOutput = true };
        _process = Process.Start(start)!;

        // What it says of guests that misbehave is of no interest, but must not fill the pipe.
        _process.ErrorDataReceived += (_, _) => { };
        _process.OutputDataReceived += (_, _) => { };
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
        AppDomain.CurrentDomain.ProcessExit += AtExit;
        if (!listener.Poll(StartMillisecondsMax * 1000, SelectMode.SelectRead))
        {
            Dispose();
            throw new IOException($"{Command} does not connect.");
        }

        Qtest = new(listener.Accept());
    }

    /// <summary>The file that is its memory.</summary>
    public string MemoryPath { get; }

    /// <summary>The way to its registers.</summary>
    public QtestLink Qtest { get; private init; } = null!;

    /// <summary>Why the differential test cannot run here; null where it can.</summary>
    public static string? Missing { get; } = WhyMissing();

    public void Dispose()
    {
        AppDomain.CurrentDomain.ProcessExit -= AtExit;
        Qtest?.Dispose();
        if (!_process.HasExited)
            _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private void AtExit(object? sender, EventArgs arguments) => Dispose();

    private static string? WhyMissing()
    {
        if (!OperatingSystem.IsLinux())
            return "It needs Linux.";
        try
        {
            using Process asked = Process.Start(new ProcessStartInfo(Command, ["--version"]) { RedirectStandardOutput = true })!;
            string answer = asked.StandardOutput.ReadToEnd();
            asked.WaitForExit();
            return answer.Contains($"version {Version}", StringComparison.Ordinal)
                ? null
                : $"Its rules about known differences are for QEMU {Version}x, and this is: {answer.Split('\n')[0]}";
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return $"{Command} is not installed (Debian: apt-get install qemu-system-x86).";
        }
    }

    // cli, hlt, and back should anything wake it; hlt everywhere else.
    private static byte[] HaltingFirmware()
    {
        byte[] image = new byte[FirmwareBytes];
        Array.Fill(image, (byte)0xF4);
        ReadOnlySpan<byte> halt = [0xFA, 0xF4, 0xEB, 0xFC];
        halt.CopyTo(image.AsSpan(ResetVector));
        return image;
    }
}
